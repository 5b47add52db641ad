//! CRC-32C, eight bytes at a time by tables.

const POLYNOMIAL: u32 = 0x82f6_3b78;

static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc: u32 = 0;
        let mut bit = 0;
        #[expect(clippy::cast_possible_truncation, reason = "a byte; From is not const")]
        let mut rest = byte as u32;
        while bit < 8 {
            let odd = (crc ^ rest) & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= POLYNOMIAL;
            }
            rest >>= 1;
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The checksum of some bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    let look = |table: usize, value: u32, shift: u32| {
        TABLES[table][usize::from((value >> shift).to_le_bytes()[0])]
    };
    let mut crc = !0_u32;
    let (eights, rest) = bytes.as_chunks::<8>();
    for eight in eights {
        let [a, b, c, d, e, f, g, h] = *eight;
        let low = crc ^ u32::from_le_bytes([a, b, c, d]);
        let high = u32::from_le_bytes([e, f, g, h]);
        crc = look(7, low, 0) ^ look(6, low, 8) ^ look(5, low, 16) ^ look(4, low, 24);
        crc ^= look(3, high, 0) ^ look(2, high, 8) ^ look(1, high, 16) ^ look(0, high, 24);
    }
    for byte in rest {
        crc = (crc >> 8) ^ look(0, crc ^ u32::from(*byte), 0);
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_check_value_of_the_standard_is_met() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(b""), 0);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }
}
