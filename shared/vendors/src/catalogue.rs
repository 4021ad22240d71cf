//! The elements that this deployment knows, found by key or id.

use std::path::Path;
use std::sync::OnceLock;

use crate::check;
use crate::descriptor::{self, Element, Kind, OAuth2};
use crate::error::ElementError;

/// An element that was built in: its text is parsed when it is first asked for.
struct BuiltIn {
    key: &'static str,
    id: u32,
    json: &'static str,
}

/// Sorted by key; written by the build script.
static BUILT_IN: &[BuiltIn] = &include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The elements that this deployment knows.
#[derive(Default)]
pub struct Catalogue {
    built_in: Box<[OnceLock<Element>]>,
    /// Elements that were added at start; one with a built-in's key or id stands in its place.
    added: Vec<Element>,
}

/// Why a folder of further elements cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It or a file in it cannot be read.
    #[error("cannot read {path}: {cause}")]
    Unreadable {
        /// The folder or file.
        path: String,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// A descriptor is wrong.
    #[error("{path}: {problems}")]
    Wrong {
        /// The file, or the folder when files contradict each other.
        path: String,
        /// All that is wrong.
        problems: String,
    },
}

impl Catalogue {
    /// Opens the built-in catalogue.
    pub fn built_in() -> Self {
        Self { built_in: BUILT_IN.iter().map(|_| OnceLock::new()).collect(), added: Vec::new() }
    }

    /// Adds elements, each in the place of any that has its key or id.
    #[must_use]
    pub fn with(mut self, elements: impl IntoIterator<Item = Element>) -> Self {
        for element in elements {
            self.added.retain(|old| !replaces(&element, &old.identity.key, old.identity.id));
            self.added.push(element);
        }
        self
    }

    /// Finds an element by its key, or by its id in decimal digits.
    pub fn find(&self, key_or_id: &str) -> Option<&Element> {
        let id = number(key_or_id);
        let named = |key: &str, known: u32| key == key_or_id || Some(known) == id;
        if let Some(element) = self.added.iter().find(|e| named(&e.identity.key, e.identity.id)) {
            return Some(element);
        }
        let position = match BUILT_IN.binary_search_by_key(&key_or_id, |entry| entry.key) {
            Ok(position) => Some(position),
            Err(_) => BUILT_IN.iter().position(|entry| Some(entry.id) == id),
        }?;
        self.parsed(position).filter(|element| !self.is_replaced(element))
    }

    /// Finds an element, or fails with the words for whoever named it.
    pub fn element(&self, key_or_id: &str) -> Result<&Element, ElementError> {
        self.find(key_or_id).ok_or_else(|| ElementError::Unknown(key_or_id.to_owned()))
    }

    /// Lists all elements by key.
    pub fn elements(&self) -> Vec<&Element> {
        let built_in = (0..self.built_in.len()).filter_map(|position| self.parsed(position));
        let mut all: Vec<_> =
            built_in.filter(|element| !self.is_replaced(element)).chain(&self.added).collect();
        all.sort_by(|a, b| a.identity.key.cmp(&b.identity.key));
        all
    }

    fn is_replaced(&self, element: &Element) -> bool {
        self.added.iter().any(|added| replaces(added, &element.identity.key, element.identity.id))
    }

    fn parsed(&self, position: usize) -> Option<&Element> {
        let cell = self.built_in.get(position)?;
        if let Some(element) = cell.get() {
            return Some(element);
        }
        let element = serde_json::from_str(BUILT_IN[position].json).ok()?;
        Some(cell.get_or_init(|| element))
    }
}

impl Element {
    /// Gives how the element's vendor speaks OAuth 2.0, or fails where it does not.
    pub fn oauth2(&self) -> Result<&OAuth2, ElementError> {
        self.oauth2.as_ref().ok_or_else(|| ElementError::NoOAuth2(self.identity.key.clone()))
    }
}

impl Kind {
    /// Gives the platform's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text32 => "TEXTFIELD_32",
            Self::Text64 => "TEXTFIELD_64",
            Self::Text128 => "TEXTFIELD_128",
            Self::Text1000 => "TEXTFIELD_1000",
            Self::TextArea => "TEXTAREA",
            Self::Password => "PASSWORD",
            Self::Boolean => "BOOLEAN",
            Self::Combo => "COMBO",
        }
    }
}

/// Reads a folder of further descriptors, `*.toml`, each checked as the built-in ones are.
pub fn read_folder(folder: &Path) -> Result<Vec<Element>, FolderError> {
    let unreadable = |path: &Path, cause| FolderError::Unreadable { path: path.display().to_string(), cause };
    let wrong = |path: &Path, problems: Vec<String>| {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(FolderError::Wrong { path: path.display().to_string(), problems: problems.join("; ") })
        }
    };
    let entries = std::fs::read_dir(folder).map_err(|cause| unreadable(folder, cause))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|cause| unreadable(folder, cause))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut elements = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).map_err(|cause| unreadable(&path, cause))?;
        let read = descriptor::read(&text).map_err(|error| FolderError::Wrong {
            path: path.display().to_string(),
            problems: error.to_string(),
        })?;
        wrong(&path, check::problems(&read))?;
        elements.extend(read);
    }
    wrong(folder, check::duplicates(&elements))?;
    Ok(elements)
}

/// Reads an id: decimal digits and nothing else.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|id: &u32| id.to_string() == text)
}

fn replaces(element: &Element, key: &str, id: u32) -> bool {
    element.identity.key == key || element.identity.id == id
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        source = { pages = ["https://example.com/oauth"], read = "2026-11-22" }
        [[element]]
        key = "example"
        id = 7
        name = "Example"
        hub = "crm"
        description = "An example."
        image = "https://example.com/logo.png"
        [oauth2.authorize]
        url = "https://{tenant}/authorize"
        [oauth2.token]
        url = "https://{tenant}/token"
        client_authentication = "client_secret_basic"
        [oauth2.placeholders.tenant]
        configuration = "example.host"
        hosts = ["*.example.com"]
        [[configuration]]
        key = "example.host"
        name = "Host"
        description = "Your host."
        type = "TEXTFIELD_128"
        required = true
        hosts = ["*.example.com"]
    "#;

    fn problems(from: &str, to: &str) -> String {
        assert!(MINIMAL.contains(from), "{from}");
        check::problems(&descriptor::read(&MINIMAL.replacen(from, to, 1)).unwrap()).join("\n")
    }

    #[test]
    fn the_five_infusionsoft_elements_are_found_by_key_and_by_id() {
        let catalogue = Catalogue::built_in();
        let five = [
            ("infusionsoftcrm", "191", "crm"),
            ("infusionsoftmarketing", "192", "marketing"),
            ("infusionsoftecommerce", "321", "ecommerce"),
            ("infusionsoftrest", "6158", "crm"),
            ("infusionsofterp", "6159", "erp"),
        ];
        for (key, id, hub) in five {
            assert_eq!(catalogue.find(key).unwrap().identity.hub, hub);
            assert_eq!(catalogue.find(id).unwrap().identity.key, key);
        }
        assert!(catalogue.find("nothing").is_none() && catalogue.find("+191").is_none());
    }

    #[test]
    fn every_built_in_descriptor_is_readable_and_sound() {
        let catalogue = Catalogue::built_in();
        assert_eq!(catalogue.elements().len(), BUILT_IN.len());
        for element in catalogue.elements() {
            assert_eq!(check::problems(std::slice::from_ref(element)), Vec::<String>::new());
        }
    }

    #[test]
    fn an_added_element_stands_in_the_place_of_the_one_with_its_key() {
        let mut stand_in = Catalogue::built_in().find("infusionsoftcrm").unwrap().clone();
        stand_in.identity.name = "Stand-in".into();
        let catalogue = Catalogue::built_in().with([stand_in]);
        assert_eq!(catalogue.find("191").unwrap().identity.name, "Stand-in");
        assert_eq!(catalogue.elements().len(), BUILT_IN.len());
    }

    #[test]
    fn a_sound_descriptor_has_no_problems() {
        assert_eq!(problems("crm", "erp"), "");
    }

    #[test]
    fn each_mistake_is_named_with_its_field() {
        let cases = [
            ("key = \"example\"", "key = \"Example\"", "`key` must be lower-case"),
            ("id = 7", "id = 0", "`id` must be 1 or more"),
            ("read = \"2026-11-22\"", "read = \"today\"", "`source.read` must be a date"),
            ("https://{tenant}/token", "http://{tenant}/token", "`oauth2.token.url` must be https"),
            ("https://{tenant}/token", "https://{other}/token", "uses `{other}`, which"),
            ("https://{tenant}/token", "https://{tenant}.example.com/token", "must be the whole host"),
            ("\"*.example.com\"", "\"*.com\"", "host pattern `*.com`"),
            ("\"*.example.com\"", "\"*\"", "host pattern `*`"),
            ("        required = true\n", "", "must be `required`, or the placeholder have a `default`"),
            ("configuration = \"example.host\"", "configuration = \"other\"", "names `other`"),
            ("[oauth2.token]", "extra = { state = \"x\" }\n[oauth2.token]", "must not set `state`"),
            ("[oauth2.token]", "extra = { scope = \"x\" }\n[oauth2.token]", "must not set `scope`"),
            ("[oauth2.token]", "scope_parameter = \"state\"\n[oauth2.token]", "must not be `state`"),
            (
                "https://{tenant}/token",
                "https://{tenant}/token?code=x",
                "`oauth2.token.url` must not set `code`",
            ),
            ("https://{tenant}/token", "https://{tenant}/token?a=1&a=2", "`a`, which would be sent twice"),
            ("        hosts = [\"*.example.com\"]\n    ", "    ", "must have the placeholder's `hosts`"),
            (
                "[oauth2.token]",
                "[oauth2.answer]\nkeep = { hook = \"x.private.key\" }\n[oauth2.token]",
                "names `x.private.key`",
            ),
            (
                "[oauth2.token]",
                "[oauth2.revoke]\nendpoint = { url = \"https://a.example.com/r\", client_authentication = \
                 \"client_secret_basic\" }\nby = \"bearer\"\n[oauth2.token]",
                "must be none",
            ),
        ];
        for (from, to, expected) in cases {
            let found = problems(from, to);
            assert!(found.contains(expected), "{to}: {found}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let error = descriptor::read(&MINIMAL.replace("hub =", "hubb =")).unwrap_err().to_string();
        assert!(error.contains("line") && error.contains("hubb"), "{error}");
    }
}
