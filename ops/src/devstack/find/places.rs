//! The places where a server may be installed, in the order in which they are searched.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Folders whose `<prefix><version>/bin` hold a PostgreSQL each: Debian, Red Hat, Homebrew on either chip.
const PACKAGED_POSTGRES: [(&str, &str); 4] =
    [("/usr/lib/postgresql", ""), ("/usr", "pgsql-"), ("/opt/homebrew/opt", "postgresql@"), ("/usr/local/opt", "postgresql@")];

/// Where Homebrew puts programs; `PATH` may lack them, for example under cron or in an editor.
const PACKAGED_PROGRAMS: [&str; 2] = ["/opt/homebrew/bin", "/usr/local/bin"];

const REDIS_NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// Where to search. Built from the environment, or by hand in a test.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `PG_BIN`: the only folder to look at for PostgreSQL, if set.
    pub pg_bin: Option<PathBuf>,
    /// `REDIS_SERVER`: the only program to look at for Redis, if set.
    pub redis_server: Option<PathBuf>,
    /// The folders of `PATH`.
    pub path: Vec<PathBuf>,
    /// Whether to look where packages install.
    pub packages: bool,
    /// This folder and those above it may hold a `.dev` made by `scripts/bootstrap`.
    pub project: Option<PathBuf>,
}

impl Places {
    /// Where this process, started here and now, should search.
    pub fn of_this_process() -> Self {
        let named = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            pg_bin: named("PG_BIN"),
            redis_server: named("REDIS_SERVER"),
            path: env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect(),
            packages: true,
            project: env::current_dir().ok(),
        }
    }

    pub(super) fn postgres_folders(&self) -> Vec<PathBuf> {
        let mut folders = self.path.clone();
        if self.packages {
            for (parent, prefix) in PACKAGED_POSTGRES {
                folders.extend(newest_first(Path::new(parent), prefix));
            }
        }
        folders.extend(self.in_dev("postgres/bin"));
        folders.retain(|folder| folder.join("postgres").exists());
        folders
    }

    pub(super) fn redis_programs(&self) -> Vec<PathBuf> {
        let mut folders = self.path.clone();
        if self.packages {
            folders.extend(PACKAGED_PROGRAMS.map(PathBuf::from));
        }
        folders.extend(self.in_dev("redis"));
        folders.iter().flat_map(|folder| REDIS_NAMES.map(|name| folder.join(name))).filter(|program| program.exists()).collect()
    }

    fn in_dev(&self, name: &str) -> Vec<PathBuf> {
        self.project.iter().flat_map(|project| project.ancestors()).map(|folder| folder.join(".dev").join(name)).collect()
    }
}

/// The `bin` folders of the versions in `parent`, the newest first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|one, other| other.cmp(one));
    versions.into_iter().map(|(_, folder)| folder).collect()
}
