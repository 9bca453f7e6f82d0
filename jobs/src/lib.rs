//! The jobs Celeriac ships: documents, licences, renewals, backups, and the services they call.
