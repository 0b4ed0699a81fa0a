//! Whether there are colours: CPython's rules (`_colorize.can_colorize`).

/// The environment's part of the decision; `var` gives a variable's value.
///
/// `PYTHON_COLORS` 0 or 1 decides; then a `NO_COLOR` that is not empty says no, a `FORCE_COLOR` that is not empty says
/// yes, `TERM=dumb` says no, and a terminal says yes.
#[must_use]
pub fn wanted(var: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    match var("PYTHON_COLORS").as_deref() {
        Some("0") => return false,
        Some("1") => return true,
        _ => {}
    }
    let set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
    if set("NO_COLOR") {
        return false;
    }
    if set("FORCE_COLOR") {
        return true;
    }
    terminal && var("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::wanted;

    #[test]
    fn the_variables_have_an_order() {
        let check = |vars: &[(&str, &str)], terminal: bool| {
            wanted(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()), terminal)
        };
        assert!(check(&[("TERM", "xterm")], true));
        assert!(!check(&[("TERM", "xterm")], false));
        assert!(!check(&[("TERM", "dumb")], true));
        assert!(check(&[("TERM", "dumb"), ("FORCE_COLOR", "1")], false));
        assert!(!check(&[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], true));
        assert!(check(&[("NO_COLOR", "")], true));
        assert!(check(&[("PYTHON_COLORS", "1"), ("NO_COLOR", "1")], false));
        assert!(!check(&[("PYTHON_COLORS", "0"), ("FORCE_COLOR", "1")], true));
        assert!(!check(&[("PYTHON_COLORS", "yes"), ("NO_COLOR", "1")], true));
    }
}
