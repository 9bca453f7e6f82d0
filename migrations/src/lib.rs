//! The SQL schema of Celeriac, embedded in every binary that needs it.
