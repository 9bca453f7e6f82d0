#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| celeriac_queue::fuzzing::names(bytes));
