//! What is pasted, made into code: transcripts of prompts lose their prompts and their output.

/// The code of `pasted`.
///
/// Text that begins with a prompt of CPython (`>>> `) or IPython (`In [1]: `) is a transcript: prompts are removed, and
/// what is on lines without one was output. Anything else stays as it is, tabs and control characters too; line ends
/// become `\n`.
#[must_use]
pub fn clean(pasted: &str) -> String {
    let text = if pasted.contains('\r') { pasted.replace("\r\n", "\n").replace('\r', "\n") } else { pasted.to_owned() };
    transcript(&text).unwrap_or(text)
}

/// A prompt at the start of a line, and the code after it.
enum Prompted<'a> {
    First(&'a str),
    More(&'a str),
}

/// `None` where `text` is no transcript.
fn transcript(text: &str) -> Option<String> {
    let first = text.lines().find(|line| !line.trim().is_empty())?;
    // Transcripts in documentation are indented as a whole.
    let margin = &first[..first.len() - first.trim_start_matches([' ', '\t']).len()];
    // A continuation prompt alone is `...`, an expression: it needs a first prompt above it.
    let Some(Prompted::First(_)) = python(first.strip_prefix(margin)?).or_else(|| ipython(first.trim_start())) else {
        return None;
    };
    let is_python = python(first.strip_prefix(margin)?).is_some();
    let mut code = String::with_capacity(text.len());
    let mut in_input = false;
    for line in text.lines() {
        // IPython puts its numbers right-aligned, and its continuation below them.
        let prompted = if is_python {
            line.strip_prefix(margin).and_then(python)
        } else {
            ipython(line.trim_start_matches([' ', '\t']))
        };
        let prompted = prompted.filter(|prompted| in_input || matches!(prompted, Prompted::First(_)));
        in_input = prompted.is_some();
        if let Some(Prompted::First(line) | Prompted::More(line)) = prompted {
            code.push_str(line);
            code.push('\n');
        }
    }
    if !text.ends_with('\n') {
        code.pop();
    }
    Some(code)
}

fn python(line: &str) -> Option<Prompted<'_>> {
    let after = |prompt| match line.strip_prefix(prompt)? {
        "" => Some(""),
        code => code.strip_prefix(' '),
    };
    after(">>>").map(Prompted::First).or_else(|| after("...").map(Prompted::More))
}

fn ipython(line: &str) -> Option<Prompted<'_>> {
    if let Some(rest) = line.strip_prefix("In [") {
        let (number, rest) = rest.split_once(']')?;
        let code = rest.strip_prefix(':')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        return is_number.then(|| Prompted::First(code.strip_prefix(' ').unwrap_or(code)));
    }
    let code = line.strip_prefix("...:")?;
    Some(Prompted::More(code.strip_prefix(' ').unwrap_or(code)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn transcripts_become_their_code() {
        assert_eq!(clean(">>> x = 1\n>>> x\n1\n>>> "), "x = 1\nx\n");
        assert_eq!(
            clean(">>> def f():\n...     return 1\n...\n>>> f()\n1\n>>> 'a\n"),
            "def f():\n    return 1\n\nf()\n'a\n"
        );
        assert_eq!(clean("\n    >>> 1 + 1\n    2\n    >>> if x:\n    ...     y\n"), "1 + 1\nif x:\n    y\n");
        assert_eq!(clean(">>> 1/0\nTraceback (most recent call last):\n  ...\nZeroDivisionError\n>>> 2"), "1/0\n2");
        assert_eq!(clean(">>> 1/0\nTraceback:\n... more\n>>> 2"), "1/0\n2");
    }

    #[test]
    fn ipython_too() {
        let shown = "In [1]: def f():\n   ...:     return 1\n   ...: \n\nIn [12]: f()\nOut[12]: 1\n\nIn [13]: ";
        assert_eq!(clean(shown), "def f():\n    return 1\n\nf()\n");
    }

    #[test]
    fn code_stays_as_it_is() {
        for code in [
            "def f():\n    '''\n    >>> f()\n    1\n    '''\n",
            "...\n",
            "...\n>>> x",
            "x = 1\n>>> y",
            "(Pdb) x",
            ">>>x",
            "In [x]: 1",
            "def t():\n\treturn 5\n",
            "a\x01b",
            "",
            "\n\n",
        ] {
            assert_eq!(clean(code), code);
        }
        assert_eq!(clean("a\r\nb\rc\n"), "a\nb\nc\n");
    }

    proptest! {
        #[test]
        fn code_without_prompts_is_untouched(code in "[a-z ():\\n\\t'.]{0,60}") {
            prop_assert_eq!(clean(&code), code);
        }

        #[test]
        fn prompts_put_before_code_are_removed(lines in prop::collection::vec("[a-z ():]{1,10}", 1..8)) {
            let shown: Vec<String> = lines.iter().enumerate()
                .map(|(at, line)| format!("{}{line}", if at == 0 { ">>> " } else { "... " })).collect();
            prop_assert_eq!(clean(&shown.join("\n")), lines.join("\n"));
        }
    }
}
