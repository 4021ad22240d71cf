//! The modules of each shared crate stand in their parent's file in reading order, and a module names only those before
//! it. So there is no circle. The folder `broker/grant` is excepted inside.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The modules of a crate: their paths, such as `store::records`, with their sources. The crate's root is empty.
type Modules = BTreeMap<String, String>;

/// The type at the root of `broker` that has a place in the order.
const BROKER: &str = "Broker";

/// Reads the modules below a folder.
fn modules(folder: &Path, prefix: &str) -> Modules {
    let mut found = Modules::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let module = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
        if path.is_dir() {
            found.extend(modules(&path, &module));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if module == "lib" { String::new() } else { module };
            found.insert(module, code(&fs::read_to_string(&path).unwrap()));
        }
    }
    found
}

/// Leaves out comments, and the tests at a file's end.
fn code(source: &str) -> String {
    let source = source.split("\n#[cfg(test)]\nmod tests").next().unwrap();
    let lines = source.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Lists the paths that begin with `crate::`, with the lists of `use` written out.
fn paths(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        expand("", &source[at + "crate::".len()..], &mut found);
    }
    found
}

/// Reads one path, or a list in braces, from the beginning of a text; gives what follows.
fn expand<'a>(before: &str, text: &'a str, found: &mut Vec<String>) -> &'a str {
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = expand(before, rest.trim_start_matches(|c: char| c.is_whitespace() || c == ','), found);
            rest = rest.trim_start();
            match rest.strip_prefix('}') {
                Some(after) => return after,
                None if rest.is_empty() => return rest,
                None => {}
            }
        }
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if before.is_empty() { name.to_owned() } else { format!("{before}::{name}") };
    if let Some(rest) = rest.strip_prefix("::") {
        return expand(&path, rest, found);
    }
    found.push(path);
    // Skips one character at least, so that no text is read for ever.
    rest.strip_prefix(|c: char| c != '}' && c != ',').filter(|_| name.is_empty()).unwrap_or(rest)
}

/// Finds the module that a path leads to: the longest beginning that is one.
fn module_of(path: &str, modules: &Modules) -> String {
    let mut module = path;
    while !modules.contains_key(module) {
        match module.rsplit_once("::") {
            Some((parent, _)) => module = parent,
            None => return if module == BROKER { BROKER.to_owned() } else { String::new() },
        }
    }
    module.to_owned()
}

/// Gives the place of a child among those that its parent declares.
fn place(parent: &str, child: &str, modules: &Modules) -> usize {
    let source = &modules[parent];
    let declared = if child == BROKER { format!("pub struct {BROKER} ") } else { format!("mod {child};") };
    source.find(&declared).unwrap_or_else(|| panic!("{parent} does not declare {child}"))
}

/// Tells whether a module may name another: the other stands before it, or is below it.
fn may_name(module: &str, other: &str, modules: &Modules) -> bool {
    let own: Vec<_> = module.split("::").collect();
    let named: Vec<_> = other.split("::").collect();
    let same = own.iter().zip(&named).take_while(|(a, b)| a == b).count();
    match (own.get(same), named.get(same)) {
        (Some(own_child), Some(named_child)) => {
            let parent = own[..same].join("::");
            place(&parent, named_child, modules) < place(&parent, own_child, modules)
        }
        // Below itself, or itself.
        (None, _) => true,
        // Its own parent: that would be a circle, since the parent declares it.
        (Some(_), None) => false,
    }
}

/// Lists the paths that lead upward.
fn upward(modules: &Modules) -> Vec<String> {
    let mut found = Vec::new();
    for (module, source) in modules {
        // What the root has beside the declarations belongs to `Broker`.
        let own = if module.is_empty() { BROKER } else { module };
        let has_place = !module.is_empty() || modules[""].contains(&format!("pub struct {BROKER} "));
        for path in paths(source) {
            let other = module_of(&path, modules);
            // A type that the root gives on hides the module that it comes from.
            let hidden = other.is_empty() && path.starts_with(char::is_uppercase);
            if hidden || !other.is_empty() && has_place && !may_name(own, &other, modules) {
                found.push(format!("{own} names crate::{path}"));
            }
        }
    }
    found
}

fn shared(name: &str) -> Modules {
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name).join("src"), "")
}

#[test]
fn no_module_of_the_shared_crates_names_one_that_comes_after_it() {
    for name in ["payloads", "vendors", "broker", "web"] {
        let modules = shared(name);
        let named: usize = modules.values().map(|source| paths(source).len()).sum();
        assert_eq!(upward(&modules), Vec::<String>::new(), "{name}");
        assert!(named > 0 || modules.len() < 3, "{name}: its paths are read");
    }
}

#[test]
fn a_path_that_leads_upward_is_found_wherever_it_stands() {
    let planted = [
        ("store::records", "use crate::{clock, record::{app::App, user}};"),
        ("store::records", "fn f() { crate::grant::create::create(); }"),
        ("record::user", "use crate::record::session::Session;"),
        ("record::settings", "use crate::Broker;"),
        ("store::records", "use crate::Error;"),
        ("record::user", "fn f() -> crate::record::X { todo() }"),
    ];
    for (module, line) in planted {
        let mut modules = shared("broker");
        modules.get_mut(module).unwrap().push_str(line);
        assert!(upward(&modules).iter().all(|found| found.starts_with(module)), "{line}");
        assert!(!upward(&modules).is_empty(), "{module}: {line}");
    }
}
