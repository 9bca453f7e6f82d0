#![allow(clippy::print_stdout)]
fn main() {
    print!("{}", celeriac_process::markdown_table());
}
