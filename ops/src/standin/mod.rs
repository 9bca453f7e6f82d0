//! Stand-ins for outside services that speak their real wire formats: for the demo without a key, and for the tests, which also script
//! their failures.

pub mod openai;
pub mod paypal;
pub mod smtp;
