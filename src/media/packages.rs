pub fn install_hint(_e: &str) -> Option<String> {
    None
}
