//! Measures the decoder: a paste of 450 KB in reads of 4 KB, and the same text as if it were typed.

use std::{io::Write as _, time::Instant};

use keelback_editor::decode::Decoder;

fn main() -> std::io::Result<()> {
    let line = "    value = some_function(argument, other=\"text\")\r";
    let text = line.repeat(450_000 / line.len());
    let paste = format!("\x1b[200~{text}\x1b[201~");
    for (name, bytes) in [("paste", &paste), ("typed", &text)] {
        let mut times: Vec<_> = (0..51)
            .map(|_| {
                let (mut decoder, mut events) = (Decoder::new(), Vec::new());
                let start = Instant::now();
                for read in bytes.as_bytes().chunks(4096) {
                    decoder.feed(read, &mut events);
                }
                assert!(!events.is_empty());
                start.elapsed()
            })
            .collect();
        times.sort();
        writeln!(std::io::stdout(), "{name} {} bytes: median {:?}, slowest {:?}", bytes.len(), times[25], times[50])?;
    }
    Ok(())
}
