//! The direction of imports: which layer may know which other, and which crates a layer must do without.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A layer, the layers it may use, and the crates it must not.
const LAYERS: [(&str, &[&str], &[&str]); 13] = [
    ("domain", &[], &["actix", "diesel", "redis", "serde", "serde_json", "tokio", "chrono", "futures_util", "tracing"]),
    ("auth", &["domain"], &["actix", "diesel", "redis", "tokio"]),
    ("protocol", &["domain"], &["actix", "actix_web", "diesel", "redis", "tokio"]),
    ("store", &["domain"], &["actix", "actix_web", "redis", "tokio", "serde"]),
    ("queue", &["domain"], &["actix", "actix_web", "diesel", "serde_json"]),
    ("socket", &["domain"], &["diesel", "redis", "serde_json"]),
    ("outbound", &["domain"], &["actix", "actix_web", "diesel", "redis", "serde_json"]),
    ("actors", &["auth", "domain", "outbound", "protocol", "queue", "socket", "store"], &["redis", "actix_web"]),
    ("export", &["domain", "protocol"], &["actix", "actix_web", "diesel", "redis", "tokio"]),
    ("http", &["actors", "auth", "domain", "export", "outbound", "protocol", "socket", "store"], &["redis"]),
    ("history", &[], &["actix", "actix_web", "diesel", "redis", "tokio"]),
    ("bench", &["auth", "domain", "history", "protocol"], &["actix", "actix_web", "diesel", "redis"]),
    (
        "app",
        &["actors", "auth", "bench", "domain", "history", "http", "outbound", "protocol", "queue", "socket", "store"],
        &["actix_http", "actix_web_actors"],
    ),
];

fn sources(under: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// A file's code, without its comments and its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first names after `crate::`, inside braces too.
fn layers_used(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let name = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if !rest.starts_with('{') {
            used.insert(name(rest));
            continue;
        }
        let (mut depth, mut fresh) = (0, false);
        for (i, c) in rest.char_indices() {
            match c {
                '{' => {
                    depth += 1;
                    fresh = depth == 1;
                }
                '}' => depth -= 1,
                ',' => fresh = depth == 1,
                c if fresh && c.is_alphabetic() => {
                    used.insert(name(&rest[i..]));
                    fresh = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    used
}

#[test]
fn every_layer_knows_only_those_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let known: BTreeSet<&str> = LAYERS.iter().map(|layer| layer.0).collect();
    let mut faults = Vec::new();
    let mut seen = 0;
    for (layer, may_use, must_not) in LAYERS {
        let mut files = Vec::new();
        sources(&src.join(layer), &mut files);
        for file in files {
            seen += 1;
            let code = code(&file);
            for used in layers_used(&code) {
                if known.contains(used.as_str()) && used != layer && !may_use.contains(&used.as_str()) {
                    faults.push(format!("{} uses {used}", file.display()));
                }
            }
            for krate in must_not {
                if code.contains(&format!("use {krate}::")) || code.contains(&format!(" {krate}::")) {
                    faults.push(format!("{} uses the crate {krate}", file.display()));
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} files were looked at");
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let used = layers_used("use crate::{domain::{ids, people}, store::Db};\nlet x = crate::queue::Keys;");
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["domain", "queue", "store"]);
}

#[test]
fn every_metric_is_documented() {
    let operations = fs::read_to_string("docs/operations.md").unwrap();
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut metrics = BTreeSet::new();
    for file in files {
        let code = code(&file);
        for part in code.split("\"shopbell_").skip(1) {
            metrics.insert(format!("shopbell_{}", part.split('"').next().unwrap()));
        }
    }
    assert!(metrics.len() > 15, "{metrics:?}");
    let missing: Vec<_> = metrics.iter().filter(|name| !operations.contains(&format!("`{name}"))).collect();
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
}
