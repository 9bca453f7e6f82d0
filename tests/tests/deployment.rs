//! The files for Docker say what the rest of the repository says. There is no engine where the tests run: what a container would
//! do is asked of the programs and the files themselves.

use std::path::PathBuf;
use std::process::Command;

use celeriac_tests::program;

#[test]
fn every_image_is_pinned_to_one_version() {
    let compose = file("docker-compose.yml");
    let dockerfile = file("Dockerfile");
    let images: Vec<&str> = values(&compose, "image: ").chain(values(&dockerfile, "FROM ")).collect();
    assert_eq!(images.len(), 5, "{images:?}");
    for image in images.iter().filter(|image| !image.starts_with("celeriac:")) {
        let tag = image.split(' ').next().unwrap().split_once(':').map(|(_, tag)| tag).unwrap_or_default();
        let numbers = tag.split(['.', '-']).filter(|part| part.parse::<u32>().is_ok()).count();
        // 17.11-trixie, or a date as in trixie-20260803-slim.
        assert!(numbers >= 2 || tag.split('-').any(|part| part.len() == 8 && part.parse::<u32>().is_ok()), "{image}");
    }
}

#[test]
fn the_image_builds_with_the_toolchain_of_the_repository() {
    let toolchain = file("rust-toolchain.toml");
    let version = values(&toolchain, "channel = ").next().unwrap().trim_matches('"');
    let dockerfile = file("Dockerfile");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "rust-toolchain.toml says {version}");
    assert!(dockerfile.contains(&format!("RUSTUP_TOOLCHAIN={version}\n")), "rust-toolchain.toml says {version}");
}

#[test]
fn the_image_has_the_client_tools_of_the_server() {
    let compose = file("docker-compose.yml");
    let server = values(&compose, "image: postgres:").next().unwrap();
    let major = server.split('.').next().unwrap();
    let dockerfile = file("Dockerfile");
    assert!(dockerfile.contains(&format!("postgresql-client-{major} ")), "the server is {major}");
    assert!(dockerfile.contains(&format!("PG_BIN=/usr/lib/postgresql/{major}/bin")), "the server is {major}");
}

#[test]
fn every_command_of_a_container_is_one_that_the_program_knows() {
    let compose = file("docker-compose.yml");
    let dockerfile = file("Dockerfile");
    let lists: Vec<Vec<String>> = values(&compose, "command: ")
        .chain(values(&compose, "test: "))
        .chain(values(&dockerfile, "CMD "))
        .filter_map(|list| serde_json::from_str::<Vec<String>>(list).ok())
        .map(|list| list.into_iter().filter(|word| word != "CMD").collect())
        .filter(|list: &Vec<String>| list[0].starts_with("celeriac"))
        .collect();
    assert_eq!(lists.len(), 8, "{lists:?}");
    for list in lists {
        let output = Command::new(program(&list[0])).args(&list[1..]).arg("--help").output().unwrap();
        assert!(output.status.success(), "{list:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn what_the_image_copies_is_there() {
    let dockerfile = file("Dockerfile");
    let ignored = file(".dockerignore");
    let copied: Vec<&str> = values(&dockerfile, "COPY ").filter(|line| !line.starts_with("--from")).collect();
    for line in copied {
        let source = line.split(' ').next().unwrap();
        assert!(path(source).exists(), "COPY {line}");
        assert!(!ignored.lines().any(|pattern| pattern == source), "COPY {line} is in .dockerignore");
    }
}

#[test]
fn the_example_settings_hold_every_variable_that_compose_insists_on() {
    let compose = file("docker-compose.yml");
    let example = file(".env.example");
    let insisted: Vec<&str> =
        compose.match_indices("${").filter_map(|(at, _)| compose[at + 2..].split_once(":?").map(|(name, _)| name)).collect();
    assert!(insisted.contains(&"POSTGRES_PASSWORD"), "{insisted:?}");
    for name in insisted.iter().filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')) {
        assert!(example.lines().any(|line| line.starts_with(&format!("{name}="))), "{name} is missing from .env.example");
    }
}

/// What follows `key` on the lines that begin with it.
fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.trim_start().strip_prefix(key))
}

fn file(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"))
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(name)
}
