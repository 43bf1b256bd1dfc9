//! Pseudorandom numbers (Knuth's MMIX generator).

pub(crate) struct Random(u64);

impl Random {
    /// Returns a generator with another sequence for each name.
    pub(crate) fn of(name: &str) -> Self {
        let seed = name.bytes().fold(0, |seed: u64, byte| {
            seed.wrapping_mul(131).wrapping_add(u64::from(byte))
        });
        Random(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
