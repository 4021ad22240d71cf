//! A wrong descriptor fails the build, and the error says where: the build script itself is run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Finds the build script that cargo compiled last for the crate.
fn build_script() -> PathBuf {
    let scripts = std::fs::read_dir(tests::profile_folder().join("build")).unwrap();
    let scripts = scripts.map(|entry| entry.unwrap().path()).filter(|path| {
        path.file_name().unwrap().to_str().unwrap().starts_with("vendors-")
            && path.join("build-script-build").exists()
    });
    let newest =
        scripts.max_by_key(|path| path.join("build-script-build").metadata().unwrap().modified().unwrap());
    newest.unwrap().join("build-script-build")
}

/// Runs the build script on a folder of elements, and gives what it tells cargo.
fn build(folder: &Path) -> String {
    let output = Command::new(build_script()).current_dir(folder).env("OUT_DIR", folder).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_wrong_descriptor_fails_the_build_and_is_named_with_its_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let descriptors = folder.path().join("descriptors");
    std::fs::create_dir(&descriptors).unwrap();
    let sound = include_str!("../../../shared/vendors/descriptors/infusionsoft.toml");
    let write = |name: &str, text: &str| std::fs::write(descriptors.join(name), text).unwrap();
    write("vendor.toml", sound);
    let said = build(folder.path());
    assert!(!said.contains("cargo::error") && folder.path().join("catalogue.rs").exists(), "{said}");
    for (from, to, expected) in [
        ("hub = \"erp\"", "hubb = \"erp\"", "unknown field `hubb`"),
        (
            "https://api.infusionsoft.com/token\"\nclient",
            "ftp://api.example/token\"\nclient",
            "`oauth2.token.url` must be https",
        ),
        (
            "[oauth2.authorize]\n",
            "[oauth2.authorize]\nissuer = \"http://issuer.example\"\n",
            "`oauth2.authorize.issuer` must be https",
        ),
        (
            "[oauth2.authorize]\n",
            "[oauth2.authorize]\nresponse_mode = \"form_post\"\nextra = { response_mode = \"query\" }\n",
            "must not set `response_mode`",
        ),
        ("id = 192", "id = 191", "another element has the key or id `191`"),
        ("rotation = \"always\"", "rotation = \"often\"", "unknown variant `often`"),
    ] {
        assert!(sound.contains(from), "{from}");
        write("vendor.toml", &sound.replacen(from, to, 1));
        let said = build(folder.path());
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("cargo::error=")).collect();
        let errors = errors.join("\n");
        assert!(errors.contains("shared/vendors/descriptors") && errors.contains(expected), "{to}: {said}");
    }
}
