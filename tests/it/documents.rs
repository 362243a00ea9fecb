//! What the documents point at exists.

use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENTS: [&str; 10] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "docs/adding-a-channel.md",
    "docs/api.md",
    "docs/deploy.md",
    "docs/interactions.md",
    "docs/operations.md",
    "docs/scores.md",
    "docs/sending.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_architecture_names_as_a_guard_exists() {
    let mut found = Vec::new();
    ["crates", "jobs", "src", "tests"]
        .iter()
        .for_each(|directory| sources(&root().join(directory), &mut found));
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, guards) = architecture.split_once("## What must never happen").unwrap();
    let names: Vec<_> = guards
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains('_'))
        .collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        // In a list of promises a test's function is `pub async fn`, so the name and its bracket are what they share.
        let called = format!("fn {name}(");
        assert!(
            found.iter().any(|source| source.contains(&called)),
            "there is no test `{name}`"
        );
    }
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for document in DOCUMENTS {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") {
                assert!(
                    path.parent().unwrap().join(target).exists(),
                    "{document} links to {target}"
                );
            }
        }
    }
}
