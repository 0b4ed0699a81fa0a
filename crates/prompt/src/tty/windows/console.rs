//! The calls of the console, each behind a safe function.

#![expect(unsafe_code, reason = "the console has no safe interface")]

use std::{
    fs::File,
    io, mem,
    os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle},
    ptr,
    time::Duration,
};

use keelback_editor::edit::Size;
use windows_sys::Win32::{
    Foundation::{WAIT_FAILED, WAIT_OBJECT_0},
    System::{
        Console::{
            DISABLE_NEWLINE_AUTO_RETURN, ENABLE_ECHO_INPUT, ENABLE_EXTENDED_FLAGS, ENABLE_LINE_INPUT,
            ENABLE_MOUSE_INPUT, ENABLE_PROCESSED_INPUT, ENABLE_PROCESSED_OUTPUT, ENABLE_VIRTUAL_TERMINAL_INPUT,
            ENABLE_VIRTUAL_TERMINAL_PROCESSING, ENABLE_WINDOW_INPUT, ENABLE_WRAP_AT_EOL_OUTPUT, GetConsoleMode,
            GetConsoleScreenBufferInfo, GetNumberOfConsoleInputEvents, INPUT_RECORD, KEY_EVENT, LEFT_CTRL_PRESSED,
            RIGHT_CTRL_PRESSED, ReadConsoleInputW, SetConsoleMode, WINDOW_BUFFER_SIZE_EVENT, WriteConsoleW,
        },
        Threading::{CreateEventW, INFINITE, SetEvent, WaitForMultipleObjects},
    },
};

use super::super::{OutputMode, records::KeyRecord};

/// Records that are read at once; a choice.
const RECORDS: usize = 128;

/// UTF-16 units that are written at once: a console takes no more than 64 KiB.
const UNITS: usize = 8 << 10;

/// What the console tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    Key(KeyRecord),
    /// The window has another size.
    Size,
}

/// An object that threads wait for; one wait takes what was set.
#[derive(Debug)]
pub(super) struct Event(OwnedHandle);

impl Event {
    pub(super) fn new() -> io::Result<Event> {
        // SAFETY: null stands for no attributes and no name; the handle is nobody else's.
        unsafe {
            let event = CreateEventW(ptr::null(), 0, 0, ptr::null());
            if event.is_null() {
                Err(io::Error::last_os_error())
            } else {
                Ok(Event(OwnedHandle::from_raw_handle(event)))
            }
        }
    }

    pub(super) fn set(&self) {
        // SAFETY: the handle is open as long as `self`.
        unsafe { SetEvent(self.0.as_raw_handle()) };
    }
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(super) fn mode(console: &File) -> io::Result<u32> {
    let mut mode = 0;
    // SAFETY: the handle is open, and the call only writes to `mode`.
    check(unsafe { GetConsoleMode(console.as_raw_handle(), &mut mode) })?;
    Ok(mode)
}

pub(super) fn set_mode(console: &File, mode: u32) -> io::Result<()> {
    // SAFETY: the handle is open.
    check(unsafe { SetConsoleMode(console.as_raw_handle(), mode) })
}

/// Keys one by one as sequences, Ctrl-C among them; the mouse stays the console's own, for selecting.
pub(super) fn raw_input(before: u32) -> u32 {
    let cooked = ENABLE_PROCESSED_INPUT | ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT | ENABLE_MOUSE_INPUT;
    (before & !cooked) | ENABLE_EXTENDED_FLAGS | ENABLE_WINDOW_INPUT | ENABLE_VIRTUAL_TERMINAL_INPUT
}

pub(super) fn raw_output(before: u32, mode: OutputMode) -> u32 {
    let raw = before | ENABLE_PROCESSED_OUTPUT | ENABLE_WRAP_AT_EOL_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING;
    match mode {
        OutputMode::Processed => raw & !DISABLE_NEWLINE_AUTO_RETURN,
        OutputMode::Raw => raw | DISABLE_NEWLINE_AUTO_RETURN,
    }
}

/// The size of the window, not of the buffer behind it.
pub(super) fn size(output: &File) -> Option<Size> {
    // SAFETY: zero is a valid value of the structure, the handle is open, and the call only writes to `info`.
    let window = unsafe {
        let mut info = mem::zeroed();
        check(GetConsoleScreenBufferInfo(output.as_raw_handle(), &mut info)).ok()?;
        info.srWindow
    };
    let extent = |from: i16, to: i16| u16::try_from(i32::from(to) - i32::from(from) + 1).ok().filter(|n| *n > 0);
    Some(Size { columns: extent(window.Left, window.Right)?, rows: extent(window.Top, window.Bottom)? })
}

/// Takes the records that are there, without waiting.
pub(super) fn take(input: &File) -> io::Result<Vec<Record>> {
    let mut taken = Vec::new();
    loop {
        let mut count = 0;
        // SAFETY: the handle is open, and the call only writes to `count`.
        check(unsafe { GetNumberOfConsoleInputEvents(input.as_raw_handle(), &mut count) })?;
        if count == 0 {
            return Ok(taken);
        }
        // SAFETY: zero is a valid record; no more than the array has room for are written, and `read` says how many.
        let (records, read) = unsafe {
            let mut records: [INPUT_RECORD; RECORDS] = mem::zeroed();
            let mut read = 0;
            check(ReadConsoleInputW(input.as_raw_handle(), records.as_mut_ptr(), RECORDS as u32, &mut read))?;
            (records, read as usize)
        };
        taken.extend(records.iter().take(read).filter_map(record));
    }
}

fn record(record: &INPUT_RECORD) -> Option<Record> {
    match u32::from(record.EventType) {
        KEY_EVENT => {
            // SAFETY: the type says which member of the union was written.
            let (key, unit) = unsafe { (record.Event.KeyEvent, record.Event.KeyEvent.uChar.UnicodeChar) };
            Some(Record::Key(KeyRecord {
                down: key.bKeyDown != 0,
                repeat: key.wRepeatCount,
                key: key.wVirtualKeyCode,
                unit,
                ctrl: key.dwControlKeyState & (LEFT_CTRL_PRESSED | RIGHT_CTRL_PRESSED) != 0,
            }))
        }
        WINDOW_BUFFER_SIZE_EVENT => Some(Record::Size),
        _ => None,
    }
}

/// Waits for records or the event, and says whether it was the event.
pub(super) fn wait(input: &File, event: &Event, timeout: Option<Duration>) -> io::Result<bool> {
    // Rounded up, or a wait for less than a millisecond would be none.
    let milliseconds = timeout.map_or(INFINITE, |timeout| {
        u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE - 1).min(INFINITE - 1)
    });
    // The event first: of two that are ready the call names the first.
    let handles = [event.0.as_raw_handle(), input.as_raw_handle()];
    // SAFETY: both handles are open during the call.
    match unsafe { WaitForMultipleObjects(handles.len() as u32, handles.as_ptr(), 0, milliseconds) } {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        woken => Ok(woken == WAIT_OBJECT_0),
    }
}

/// Writes all of the units, which hold whole characters.
pub(super) fn write(output: &File, mut units: &[u16]) -> io::Result<()> {
    while !units.is_empty() {
        let mut length = units.len().min(UNITS);
        if length < units.len() && (0xd800..0xdc00).contains(&units[length - 1]) {
            length -= 1; // both halves of a character at once
        }
        let mut written = 0;
        // SAFETY: the handle is open, and `length` units are there to be read.
        check(unsafe {
            WriteConsoleW(output.as_raw_handle(), units.as_ptr(), length as u32, &mut written, ptr::null())
        })?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        units = &units[(written as usize).min(length)..];
    }
    Ok(())
}
