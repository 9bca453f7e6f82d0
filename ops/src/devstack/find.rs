//! Where the servers' programs are on this machine.
//!
//! Search order, the first that passes wins: the variable that names it (`PG_BIN`, a folder; `REDIS_SERVER`,
//! a program) → `PATH` → the folders of Debian's, Red Hat's and Homebrew's packages, newest version first →
//! `.dev` of this folder or one above it, where `scripts/bootstrap` puts them on a machine without root.
//!
//! A program is tried before it is trusted: Debian has a `pg_dump` in `PATH` that is a Perl script choosing
//! among versions, version managers put shell scripts there, and a `postgres` may stand in a folder without
//! the `pg_restore` that belongs to it.

mod places;
mod program;

use std::path::{Path, PathBuf};

use super::error::DevstackError;
pub use places::Places;

/// The programs that must stand together in PostgreSQL's folder: the server, and what a backup needs.
const POSTGRES_PROGRAMS: [&str; 4] = ["postgres", "initdb", "pg_dump", "pg_restore"];

/// `drop database … with (force)` came with 13.
const POSTGRES_MAJOR_MIN: u32 = 13;

/// The queue's scripts use commands up to Redis 6.2.
const REDIS_VERSION_MIN: (u32, u32) = (6, 2);

/// A folder with PostgreSQL's server and client programs, all of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    folder: PathBuf,
    version: String,
}

impl PostgresBinaries {
    /// The folder, without symbolic links.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The full path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What `postgres --version` says, for example `postgres (PostgreSQL) 16.14`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Checks that `folder` holds a whole PostgreSQL of a version we can use, or says what is wrong with it.
    fn in_folder(folder: &Path) -> Result<Self, String> {
        // The server finds its libraries from where it really is, and so do we its sister programs.
        let postgres = folder.join("postgres").canonicalize().map_err(|_| "postgres is missing".to_owned())?;
        let folder = postgres.parent().ok_or("postgres is not in a folder")?;
        for name in POSTGRES_PROGRAMS {
            program::check(&folder.join(name))?;
        }
        let version = program::version(&postgres)?;
        let major = version
            .strip_prefix("postgres (PostgreSQL) ")
            .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
            .and_then(|digits| digits.parse::<u32>().ok())
            .ok_or_else(|| format!("postgres calls itself {version:?}"))?;
        if major < POSTGRES_MAJOR_MIN {
            return Err(format!("its version is {major}, and {POSTGRES_MAJOR_MIN} is the oldest that will do"));
        }
        Ok(Self { folder: folder.to_owned(), version })
    }
}

/// A Redis or Valkey server program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisBinary {
    program: PathBuf,
    version: String,
}

impl RedisBinary {
    /// Its path as found. Symbolic links are kept: Debian's `redis-server` is a link to a program that looks
    /// at the name it was called by.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What `redis-server --version` says.
    pub fn version(&self) -> &str {
        &self.version
    }

    fn at(path: &Path) -> Result<Self, String> {
        program::check(path)?;
        let version = program::version(path)?;
        let numbers = version
            .split_once(" v=")
            .map(|(_, rest)| rest.split(' ').next().unwrap_or_default())
            .and_then(|number| {
                let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
                Some((parts.next()??, parts.next()??))
            })
            .ok_or_else(|| format!("it calls itself {version:?}"))?;
        if numbers < REDIS_VERSION_MIN {
            let (major, minor) = REDIS_VERSION_MIN;
            return Err(format!("its version is {}.{}, and {major}.{minor} is the oldest that will do", numbers.0, numbers.1));
        }
        Ok(Self { program: path.to_owned(), version })
    }
}

/// PostgreSQL on this machine.
///
/// # Errors
/// [`DevstackError::Unusable`] if `PG_BIN` is set to something else, [`DevstackError::NotFound`] if there is none.
pub fn postgres() -> Result<PostgresBinaries, DevstackError> {
    postgres_in(&Places::of_this_process())
}

/// Redis or Valkey on this machine.
///
/// # Errors
/// [`DevstackError::Unusable`] if `REDIS_SERVER` is set to something else, [`DevstackError::NotFound`] if there is none.
pub fn redis() -> Result<RedisBinary, DevstackError> {
    redis_in(&Places::of_this_process())
}

/// [`postgres`], searching `places`.
pub fn postgres_in(places: &Places) -> Result<PostgresBinaries, DevstackError> {
    Search { server: "PostgreSQL", variable: "PG_BIN", expected: "the folder that holds postgres, initdb, pg_dump and pg_restore" }.first(
        places.pg_bin.as_deref(),
        places.postgres_folders(),
        PostgresBinaries::in_folder,
    )
}

/// [`redis`], searching `places`.
pub fn redis_in(places: &Places) -> Result<RedisBinary, DevstackError> {
    Search { server: "Redis (or Valkey)", variable: "REDIS_SERVER", expected: "the path of a redis-server or valkey-server program" }.first(
        places.redis_server.as_deref(),
        places.redis_programs(),
        RedisBinary::at,
    )
}

/// What is searched for, in words.
struct Search {
    server: &'static str,
    variable: &'static str,
    expected: &'static str,
}

impl Search {
    /// What was named explicitly, good or bad; else the first candidate that passes.
    fn first<T>(
        self,
        named: Option<&Path>,
        candidates: Vec<PathBuf>,
        check: impl Fn(&Path) -> Result<T, String>,
    ) -> Result<T, DevstackError> {
        if let Some(named) = named {
            return check(named).map_err(|problem| DevstackError::Unusable {
                variable: self.variable,
                value: named.to_owned(),
                expected: self.expected,
                problem,
            });
        }
        let mut looked_at = String::new();
        for candidate in candidates {
            match check(&candidate) {
                Ok(found) => return Ok(found),
                Err(problem) => {
                    looked_at.push_str(&format!("  {}: {problem}\n", candidate.display()));
                }
            }
        }
        if looked_at.is_empty() {
            looked_at.push_str("  PATH and the usual folders: nothing by that name\n");
        }
        Err(DevstackError::NotFound {
            server: self.server,
            variable: self.variable,
            expected: self.expected,
            looked_at: looked_at.trim_end().to_owned(),
        })
    }
}
