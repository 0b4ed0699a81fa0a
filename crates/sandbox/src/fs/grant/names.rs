//! Which names mean themselves on Windows: not other separators, drives and streams (`:`), patterns, devices, and ends that
//! are cut off.

/// Whether all names of a path below a grant do; `.` is the grant itself.
pub(super) fn are_plain(relative: &str) -> bool {
    relative == "." || relative.split('/').all(is_plain)
}

// Names: "Naming Files, Paths, and Namespaces" in Microsoft's documentation of file systems.
fn is_plain(name: &str) -> bool {
    let special = |c: char| c < ' ' || matches!(c, '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*');
    !name.is_empty() && !name.ends_with(['.', ' ']) && !name.contains(special) && !is_device(name)
}

/// `NUL`, also as `nul.txt` and `nul .txt`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    let numbered = |port: &str| {
        let number = stem.strip_prefix(port);
        number.is_some_and(|number| matches!(number, "¹" | "²" | "³") || matches!(number.as_bytes(), [b'0'..=b'9']))
    };
    matches!(&*stem, "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$") || numbered("COM") || numbered("LPT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_are_known() {
        for bad in ["a\\b", "C:", "a:b", "nul", "a/NUL.txt", "con .x", "com1", "a.", "a ", "a/../b", "?", "a//b", ""] {
            assert!(!are_plain(bad), "{bad:?}");
        }
        for good in ["a", "a/b.c", ".", ".git", "nully", "com", "com10", "äö"] {
            assert!(are_plain(good), "{good:?}");
        }
    }
}
