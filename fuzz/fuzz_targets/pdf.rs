#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| celeriac_jobs::fuzzing::pdf(bytes));
