//! Streams whose decoders keep as many frames as they ever do, in a few bytes a frame.

/// H.264 without any motion, in which a decoder keeps 16 references and holds back 16 frames more.
pub struct KeptFrames {
    blocks: (u32, u32),
    count: u32,
}

/// How many references the stream has, and how many frames it holds back.
const REFERENCES: u32 = 16;

impl KeptFrames {
    pub const CAPS: &str = "video/x-h264, stream-format=byte-stream, alignment=au";
    /// The frames that a decoder keeps.
    pub const KEPT: usize = 32;
    /// Frames until the decoder keeps no more.
    pub const ENOUGH: usize = 48;

    /// Frames of so many blocks of 16 pixels across and down.
    pub fn new(across: u32, down: u32) -> Self {
        Self {
            blocks: (across, down),
            count: 0,
        }
    }

    /// The parameter sets, which announce the size.
    pub fn sets(&self) -> Vec<u8> {
        let mut sequence = Bits::default();
        // The high profile, level 6.2.
        sequence.numbers(&[(100, 8), (0, 8), (62, 8)]);
        // Set 0 has frames of 4:2:0 with 8 bits.
        sequence.exp_golombs(&[0, 1, 0, 0]);
        sequence.numbers(&[(0, 2)]);
        // Numbers and times of frames have 8 bits.
        sequence.exp_golombs(&[4, 0, 4, REFERENCES]);
        sequence.numbers(&[(0, 1)]);
        sequence.exp_golombs(&[self.blocks.0 - 1, self.blocks.1 - 1]);
        // Whole frames, without a crop, and a description with nothing but the bounds.
        sequence.numbers(&[(0b110, 3), (1, 1), (0, 8), (1, 1), (1, 1)]);
        sequence.exp_golombs(&[0, 0, 10, 10, REFERENCES, REFERENCES]);
        let mut picture = Bits::default();
        picture.exp_golombs(&[0, 0]);
        picture.numbers(&[(0, 2)]);
        picture.exp_golombs(&[0, 0, 0]);
        picture.numbers(&[(0, 3)]);
        picture.exp_golombs(&[0, 0, 0]);
        picture.numbers(&[(0b100, 3)]);
        [sequence.unit(0x67), picture.unit(0x68)].concat()
    }

    /// A key frame without detail.
    fn key(&self) -> Vec<u8> {
        let mut slice = Bits::default();
        slice.exp_golombs(&[0, 7, 0]);
        slice.numbers(&[(0, 8)]);
        slice.exp_golombs(&[0]);
        slice.numbers(&[(0, 8), (0, 2)]);
        slice.exp_golombs(&[0, 1]);
        for _ in 0..self.blocks.0 * self.blocks.1 {
            // Predicted from its neighbours, and nothing else.
            slice.numbers(&[(0b0010_0111, 8)]);
        }
        [self.sets(), slice.unit(0x65)].concat()
    }

    /// A frame that is the one before it.
    fn repeated(&self, number: u32) -> Vec<u8> {
        let is_reference = number < REFERENCES;
        let mut slice = Bits::default();
        slice.exp_golombs(&[0, 5, 0]);
        slice.numbers(&[(number.min(REFERENCES), 8), (2 * number % 256, 8), (0, 2)]);
        if is_reference {
            slice.numbers(&[(0, 1)]);
        }
        slice.exp_golombs(&[0, 1, self.blocks.0 * self.blocks.1]);
        slice.unit(if is_reference { 0x61 } else { 0x01 })
    }
}

impl Iterator for KeptFrames {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let number = self.count;
        self.count += 1;
        Some(match number {
            0 => self.key(),
            number => self.repeated(number),
        })
    }
}

/// Bits that become a unit of a byte stream.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    /// Values, each with its count of bits.
    fn numbers(&mut self, values: &[(u32, u32)]) {
        for (value, count) in values {
            self.0
                .extend((0..*count).rev().map(|bit| value >> bit & 1 == 1));
        }
    }

    fn exp_golombs(&mut self, values: &[u32]) {
        for value in values {
            let count = (value + 1).ilog2();
            self.numbers(&[(0, count), (value + 1, count + 1)]);
        }
    }

    fn unit(mut self, header: u8) -> Vec<u8> {
        self.0.push(true);
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, bit| {
                byte << 1 | u8::from(bits.get(bit) == Some(&true))
            })
        };
        let mut unit = vec![0, 0, 0, 1, header];
        let mut zeros = 0;
        for byte in self.0.chunks(8).map(byte) {
            if zeros == 2 && byte <= 3 {
                // It keeps start codes out of the unit.
                unit.push(3);
                zeros = 0;
            }
            unit.push(byte);
            zeros = if byte == 0 { zeros + 1 } else { 0 };
        }
        unit
    }
}
