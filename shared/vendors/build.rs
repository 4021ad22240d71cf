//! Reads `descriptors/*.toml`, refuses a bad one, and writes the catalogue as a sorted table of JSON
//! texts, so that looking an element up at run time parses that element alone.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(unreachable_pub, reason = "public where the crate has it")]
#[path = "src/check.rs"]
mod check;
#[expect(unreachable_pub, reason = "public where the crate has it")]
#[path = "src/descriptor.rs"]
mod descriptor;

fn main() {
    println!("cargo::rerun-if-changed=descriptors");
    println!("cargo::rerun-if-changed=src/oauth2.toml");
    if let Err(error) = write_catalogue() {
        for line in error.to_string().lines() {
            println!("cargo::error={line}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script is told its folder by the environment")]
fn write_catalogue() -> Result<(), Box<dyn Error>> {
    let mut elements = Vec::new();
    for path in descriptors(Path::new("descriptors"))? {
        let text = fs::read_to_string(&path)?;
        let read =
            descriptor::read(&text).map_err(|error| format!("shared/vendors/{}: {error}", path.display()))?;
        refuse(&path, &check::problems(&read))?;
        elements.extend(read);
    }
    refuse(Path::new("descriptors"), &check::duplicates(&elements))?;
    elements.sort_by(|a, b| a.identity.key.cmp(&b.identity.key));
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join("catalogue.rs"), table(&elements)?)?;
    Ok(())
}

fn descriptors(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn refuse(path: &Path, problems: &[String]) -> Result<(), String> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("shared/vendors/{}:\n  {}", path.display(), problems.join("\n  ")))
}

fn table(elements: &[descriptor::Element]) -> Result<String, Box<dyn Error>> {
    let mut code = String::from("[\n");
    for element in elements {
        let (key, id) = (&element.identity.key, element.identity.id);
        let json = serde_json::to_string(element)?;
        writeln!(code, "    BuiltIn {{ key: {key:?}, id: {id}, json: {json:?} }},")?;
    }
    code.push_str("]\n");
    Ok(code)
}
