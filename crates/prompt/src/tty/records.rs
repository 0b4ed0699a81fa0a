//! From the records of a Windows console to the bytes that a terminal elsewhere sends for the same keys.
//!
//! With virtual terminal input the console has written sequences into the records already, a record for each UTF-16
//! unit; what is left is to take the units of the records that count.

/// A key record of the console.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyRecord {
    pub(super) down: bool,
    pub(super) repeat: u16,
    /// The virtual key.
    pub(super) key: u16,
    pub(super) unit: u16,
    pub(super) ctrl: bool,
}

/// Alt: its release ends a character that was typed by number.
const MENU: u16 = 0x12;
const SPACE: u16 = 0x20;
const TWO: u16 = 0x32;

/// Makes bytes of records; a surrogate waits for its other half.
#[derive(Debug, Default)]
pub(super) struct Records {
    high: Option<u16>,
}

impl Records {
    /// Appends what the record stands for to `bytes`.
    pub(super) fn push(&mut self, record: KeyRecord, bytes: &mut Vec<u8>) {
        let counts = if record.down { typed(record) } else { record.key == MENU && record.unit != 0 };
        if !counts {
            return;
        }
        for _ in 0..record.repeat.max(1) {
            let units = self.high.take().into_iter().chain([record.unit]);
            for char in char::decode_utf16(units) {
                match char {
                    Ok(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                    Err(half) if (0xd800..0xdc00).contains(&half.unpaired_surrogate()) => {
                        self.high = Some(half.unpaired_surrogate());
                    }
                    Err(_) => {} // the second half of nothing
                }
            }
        }
    }
}

/// A key that is only held, as Shift is, has no unit; Ctrl-Space and Ctrl-2 stand for NUL.
fn typed(record: KeyRecord) -> bool {
    record.unit != 0 || (record.ctrl && matches!(record.key, SPACE | TWO))
}

/// Cuts bytes into text that is whole: the rest of a character is kept for the next call.
#[derive(Debug, Default)]
pub(super) struct Utf8(Vec<u8>);

impl Utf8 {
    /// The UTF-16 of what is whole in `bytes`; what is no UTF-8 becomes U+FFFD.
    pub(super) fn units(&mut self, bytes: &[u8]) -> Vec<u16> {
        self.0.extend_from_slice(bytes);
        let whole = match self.0.utf8_chunks().last() {
            // Up to three bytes that could still become a character.
            Some(last) if std::str::from_utf8(last.invalid()).is_err_and(|error| error.error_len().is_none()) => {
                self.0.len() - last.invalid().len()
            }
            _ => self.0.len(),
        };
        let rest = self.0.split_off(whole);
        let text = std::mem::replace(&mut self.0, rest);
        String::from_utf8_lossy(&text).encode_utf16().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(records: &[KeyRecord]) -> Vec<u8> {
        let (mut decoder, mut bytes) = (Records::default(), Vec::new());
        for record in records {
            decoder.push(*record, &mut bytes);
        }
        bytes
    }

    fn down(key: u16, unit: u16) -> KeyRecord {
        KeyRecord { down: true, repeat: 1, key, unit, ctrl: false }
    }

    #[test]
    fn keys_count_when_they_go_down() {
        let up = KeyRecord { down: false, ..down(0x41, 0x61) };
        assert_eq!(bytes(&[down(0x41, 0x61), up]), b"a");
        assert_eq!(bytes(&[down(0x10, 0)]), b"", "Shift alone");
        assert_eq!(bytes(&[KeyRecord { repeat: 3, ..down(0x41, 0x61) }]), b"aaa");
    }

    #[test]
    fn sequences_come_unit_by_unit() {
        assert_eq!(bytes(&[down(0, 0x1b), down(0, 0x5b), down(0, 0x41)]), b"\x1b[A");
    }

    #[test]
    fn two_halves_make_a_character() {
        assert_eq!(bytes(&[down(0, 0xd83d), down(0, 0xde42)]), "🙂".as_bytes());
        assert_eq!(bytes(&[down(0, 0xd83d), down(0, 0x61)]), b"a");
        assert_eq!(bytes(&[down(0, 0xde42), down(0, 0x61)]), b"a");
    }

    #[test]
    fn a_number_typed_with_alt_comes_when_alt_is_released() {
        assert_eq!(bytes(&[KeyRecord { down: false, ..down(MENU, 0xe9) }]), "é".as_bytes());
        assert_eq!(bytes(&[KeyRecord { down: false, ..down(MENU, 0) }]), b"");
    }

    #[test]
    fn ctrl_space_is_nul() {
        assert_eq!(bytes(&[KeyRecord { ctrl: true, ..down(SPACE, 0) }]), b"\0");
    }

    #[test]
    fn text_is_cut_between_characters() {
        for split in 0..="a🙂é".len() {
            let (mut utf8, text) = (Utf8::default(), "a🙂é");
            let (first, second) = text.as_bytes().split_at(split);
            let units = [utf8.units(first), utf8.units(second)].concat();
            assert_eq!(String::from_utf16(&units).expect("whole"), text);
        }
        assert_eq!(Utf8::default().units(b"a\xffb"), [0x61, 0xfffd, 0x62]);
    }
}
