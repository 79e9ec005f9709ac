//! What a command wrote: the first and the last bytes of a stream, however much there was.

use std::collections::VecDeque;

/// Bytes kept of a stream unless a command asks for more: half from the start, half from the end.
pub const CAPTURE_BYTES_MAX: usize = 64 << 10;

/// A stream of a command, cut in the middle where it is too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half: usize,
    dropped: u64,
}

impl Captured {
    /// An empty capture of at most this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), half: (bytes_max / 2).max(1), dropped: 0 }
    }

    /// Takes what has just been read.
    pub fn push(&mut self, bytes: &[u8]) {
        let space = self.half.saturating_sub(self.head.len()).min(bytes.len());
        let (first, rest) = bytes.split_at(space);
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }

    /// The bytes, if none had to be dropped.
    pub fn whole(&self) -> Option<Vec<u8>> {
        (self.dropped == 0).then(|| self.head.iter().chain(&self.tail).copied().collect())
    }

    /// The text for messages: what was dropped is said, control characters are made visible.
    pub fn text(&self) -> String {
        let head = String::from_utf8_lossy(&self.head);
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let tail = String::from_utf8_lossy(&tail);
        let mut text = visible(&head);
        if self.dropped > 0 {
            text.push_str(&format!("\n[{} bytes left out]\n", self.dropped));
        }
        text.push_str(&visible(&tail));
        text
    }

    /// The last lines that hold anything, for messages of failures.
    pub fn last_lines(&self, count: usize) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

/// The text without characters that could move a terminal's cursor or colours.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' => {}
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_head_and_tail_and_says_what_is_missing() {
        let mut captured = Captured::new(8);
        captured.push(b"abc");
        captured.push(b"defgh");
        assert_eq!(captured.whole().as_deref(), Some(&b"abcdefgh"[..]));
        captured.push(b"ij");
        assert_eq!(captured.whole(), None);
        assert_eq!(captured.text(), "abcd\n[2 bytes left out]\nghij");
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        let mut captured = Captured::new(100);
        captured.push(b"\x1b[31mred\r\n\nlast \n\n");
        assert_eq!(captured.text(), "\\u{1b}[31mred\n\nlast \n\n");
        assert_eq!(captured.last_lines(5), "\\u{1b}[31mred\nlast");
        assert_eq!(captured.last_lines(1), "last");
    }
}
