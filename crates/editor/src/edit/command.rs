//! What keys can do, by name.

macro_rules! commands {
    ($($(#[$meta:meta])* $variant:ident $name:literal $doc:literal,)*) => {
        /// What a key can do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "`description` is the documentation")]
        pub enum Command { $($(#[$meta])* $variant,)* }

        impl Command {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Command] = &[$(Command::$variant,)*];

            /// As configuration files and the documentation name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Command::$variant => $name,)* }
            }

            /// What it does, in a few words.
            #[must_use]
            pub fn description(self) -> &'static str {
                match self { $(Command::$variant => $doc,)* }
            }

            /// The command with this name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Command> {
                match name { $($name => Some(Command::$variant),)* _ => None }
            }
        }
    };
}

commands! {
    Accept "accept" "run the cell when it is complete, else open a line",
    InsertLine "insert-line" "open a line, indented",
    RunNow "run-now" "run the cell as it stands",
    RunAndNext "run-and-next" "run the cell and bring the history's next entry",
    Left "left" "one character left",
    Right "right" "one character right; at the end take the suggestion",
    WordLeft "word-left" "one word left",
    WordRight "word-right" "one word right; at the end take a word of the suggestion",
    LineStart "line-start" "start of the line",
    LineEnd "line-end" "end of the line",
    Up "up" "one row up; on the first, the history's previous entry",
    Down "down" "one row down; on the last, the history's next entry",
    TextStart "text-start" "start of the cell",
    TextEnd "text-end" "end of the cell",
    StatementUp "statement-up" "start of this statement, then of the one before",
    StatementDown "statement-down" "start of the next statement",
    MatchingBracket "matching-bracket" "the bracket that goes with this one",
    SelectLeft "select-left" "select a character left",
    SelectRight "select-right" "select a character right",
    SelectWordLeft "select-word-left" "select a word left",
    SelectWordRight "select-word-right" "select a word right",
    SelectUp "select-up" "select a row up",
    SelectDown "select-down" "select a row down",
    SelectLineStart "select-line-start" "select to the start of the line",
    SelectLineEnd "select-line-end" "select to the end of the line",
    SelectAll "select-all" "select the whole cell",
    SetMark "set-mark" "begin a selection that motions extend",
    Copy "copy" "copy what is selected, or the line, to the clipboard",
    DeleteLeft "delete-left" "delete the character before, or a level of indentation",
    DeleteRight "delete-right" "delete the character under the cursor",
    DeleteRightOrEnd "delete-right-or-end" "delete the character under the cursor; leave when there is no text",
    KillLineEnd "kill-line-end" "kill to the end of the line, or the line end",
    KillLineStart "kill-line-start" "kill to the start of the line",
    KillWordLeft "kill-word-left" "kill the word before, or what is selected",
    KillWordRight "kill-word-right" "kill the word after",
    KillText "kill-text" "kill the whole cell",
    Yank "yank" "insert what was killed last",
    YankPop "yank-pop" "after a yank: what was killed before that",
    Transpose "transpose" "exchange the two characters around the cursor",
    TransposeWords "transpose-words" "exchange the two words around the cursor",
    UpperWord "upper-word" "the word in upper case",
    LowerWord "lower-word" "the word in lower case",
    CapitalWord "capital-word" "the word with a capital",
    Indent "indent" "one level in, for all lines of the selection",
    Dedent "dedent" "one level out, for all lines of the selection",
    ToggleComment "toggle-comment" "comment the lines out, or in again",
    Undo "undo" "take the last change back",
    Redo "redo" "do it again",
    QuotedInsert "quoted-insert" "insert the next key as it is",
    Complete "complete" "complete, or indent where the line is blank",
    CompletePrevious "complete-previous" "in the menu the entry before, else one level out",
    HistoryPrevious "history-previous" "as up",
    HistoryNext "history-next" "as down",
    HistoryFirst "history-first" "the oldest entry",
    HistoryLast "history-last" "back to the text that is being written",
    PrefixPrevious "prefix-previous" "the previous entry that begins like the text before the cursor",
    PrefixNext "prefix-next" "the next entry that begins so",
    SearchOlder "search-older" "search the history as you type; again: older, twice: the list of all",
    SearchNewer "search-newer" "search towards the newest",
    LastArgument "last-argument" "insert the last word of the previous entry",
    Help "help" "enter help mode, or leave it",
    ShowHistory "show-history" "this history in a pager",
    PasteMode "paste-mode" "paste mode on or off: no indentation, no running",
    Documentation "documentation" "describe what the cursor is on",
    EditExternally "edit-externally" "edit the cell in $VISUAL or $EDITOR",
    ClearScreen "clear-screen" "clear the screen",
    Interrupt "interrupt" "drop the cell",
    Suspend "suspend" "stop the program (fg brings it back)",
    Cancel "cancel" "leave menu, search or selection",
    ViNormal "vi-normal" "vi's normal mode",
    Digit "digit" "a number for the next command",
    Ignore "ignore" "nothing",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for command in Command::ALL {
            assert_eq!(Command::by_name(command.name()), Some(*command));
            assert!(!command.description().is_empty());
        }
    }
}
