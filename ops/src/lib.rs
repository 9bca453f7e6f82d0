
pub mod devstack;
