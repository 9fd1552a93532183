//! Commands that go to Redis together.

use redis::Cmd;

/// Commands in order, each with the key by which a cluster finds its place.
#[derive(Default)]
pub struct Batch(Vec<(u16, Cmd)>);

impl Batch {
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds a command whose first argument is the key.
    pub fn on(&mut self, key: &str, name: &str) -> &mut Cmd {
        let command = self.beside(key, name);
        command.arg(key)
    }

    /// Adds a command that goes where the key is, without naming it.
    pub fn beside(&mut self, key: &str, name: &str) -> &mut Cmd {
        self.0.push((slot(key.as_bytes()), redis::cmd(name)));
        let last = self.0.len() - 1;
        &mut self.0[last].1
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn slot(&self, index: usize) -> u16 {
        self.0[index].0
    }

    /// The commands of these places as they go over the wire.
    pub(super) fn packed(&self, indexes: impl IntoIterator<Item = usize>) -> Vec<u8> {
        let mut bytes = Vec::new();
        indexes.into_iter().for_each(|index| self.0[index].1.write_packed_command(&mut bytes));
        bytes
    }
}

/// The slot of a key in a cluster: CRC-16/XMODEM of what stands in its first braces, or of all of it, modulo 16384.
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    let step = |crc: u16, byte: &u8| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 })
    };
    tag.unwrap_or(key).iter().fold(0, step) % 16_384
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"shopbell:link:{foo}"), 12_182);
        assert_eq!(slot(b"{}foo"), slot(b"{}foo"));
        assert_ne!(slot(b"{}foo"), slot(b"{}bar"), "empty braces do not count");
        assert_eq!(slot(b"x{foo}{bar}"), 12_182);
    }
}
