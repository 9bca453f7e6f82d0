//! Workers whose Redis is in trouble: they live on, hear again, run nothing twice, and say once what is wrong.
//!
//! Every case runs long jobs (naps) through the trouble, with leases shorter than it, while short ones come and go beside them.

mod clock;
mod lines;
mod scene;
mod servers;
