//! The last frames of a network, to be written as a pcap file when a test has failed.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

/// How much is kept of each frame: the headers and the beginning of what they carry.
const KEPT: usize = 192;
/// How many frames are kept.
const FRAMES: usize = 8192;

#[derive(Debug)]
struct Frame {
    at: SystemTime,
    length: u32,
    bytes: Vec<u8>,
}

/// The last frames.
#[derive(Debug, Default)]
pub(super) struct Trace(VecDeque<Frame>);

impl Trace {
    pub(super) fn note(&mut self, frame: &[u8]) {
        if self.0.len() == FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(Frame {
            at: SystemTime::now(),
            length: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            bytes: frame[..frame.len().min(KEPT)].to_vec(),
        });
    }

    /// The file: the classic form with microseconds, Ethernet.
    pub(super) fn pcap(&self) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(0xa1b2_c3d4_u32.to_le_bytes());
        file.extend(2_u16.to_le_bytes());
        file.extend(4_u16.to_le_bytes());
        for word in [0, 0, u32::try_from(KEPT).unwrap_or(0), 1] {
            file.extend(word.to_le_bytes());
        }
        for frame in &self.0 {
            let since = frame.at.duration_since(UNIX_EPOCH).unwrap_or_default();
            let seconds = u32::try_from(since.as_secs()).unwrap_or(u32::MAX);
            let kept = u32::try_from(frame.bytes.len()).unwrap_or(0);
            for word in [seconds, since.subsec_micros(), kept, frame.length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(&frame.bytes);
        }
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frames_are_kept_and_no_more() {
        let mut trace = Trace::default();
        for _ in 0..FRAMES + 10 {
            trace.note(&[7; 1000]);
        }
        let file = trace.pcap();
        assert_eq!(file.len(), 24 + FRAMES * (16 + KEPT));
        assert_eq!(&file[..4], &[0xd4, 0xc3, 0xb2, 0xa1]);
        assert_eq!(&file[32..40], &[192, 0, 0, 0, 0xe8, 3, 0, 0]);
    }
}
