//! The server as QEMU sees it, without QEMU.

use std::io::{Read, Write};

use super::*;

struct Client(UnixStream);

impl Client {
    fn connect(folder: &Path) -> Client {
        let mut stream = UnixStream::connect(folder.join("disk.sock")).expect("it listens");
        let mut greeting = [0; 18];
        stream.read_exact(&mut greeting).expect("a greeting");
        assert_eq!(&greeting[..16], b"NBDMAGICIHAVEOPT");
        stream.write_all(&[0, 0, 0, 3]).expect("written");
        // An option that is not known here, then GO with an empty name.
        stream
            .write_all(b"IHAVEOPT\0\0\0\x08\0\0\0\0")
            .expect("written");
        let mut refusal = [0; 20];
        stream.read_exact(&mut refusal).expect("a refusal");
        assert_eq!(&refusal[12..16], &[0x80, 0, 0, 1]);
        stream
            .write_all(b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0")
            .expect("written");
        let mut info = [0; 20 + 12 + 20 + 14 + 20];
        stream.read_exact(&mut info).expect("what it is");
        assert_eq!(
            u64::from_be_bytes(info[22..30].try_into().expect("eight")),
            1 << 20
        );
        Client(stream)
    }

    fn ask(&mut self, kind: u8, at: u64, length: u32, data: &[u8]) -> (u32, Vec<u8>) {
        let mut request = vec![
            0x25, 0x60, 0x95, 0x13, 0, 0, 0, kind, 1, 2, 3, 4, 5, 6, 7, 8,
        ];
        request.extend(at.to_be_bytes());
        request.extend(length.to_be_bytes());
        request.extend(data);
        self.0.write_all(&request).expect("written");
        let mut head = [0; 16];
        self.0.read_exact(&mut head).expect("an answer");
        assert_eq!(&head[8..], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let error = u32::from_be_bytes(head[4..8].try_into().expect("four"));
        let mut bytes = vec![
            0;
            if kind == 0 && error == 0 {
                length as usize
            } else {
                0
            }
        ];
        self.0.read_exact(&mut bytes).expect("data");
        (error, bytes)
    }
}

fn disk(folder: &Path) -> Disk {
    let base = folder.join("base.raw");
    std::fs::write(&base, vec![b'a'; 1 << 20]).expect("written");
    Disk::serve(
        &base,
        &folder.join("private"),
        None,
        &folder.join("disk.sock"),
    )
    .expect("served")
}

#[test]
fn what_is_flushed_outlives_a_power_cut_and_what_is_not_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = disk(folder.path());
    let mut client = Client::connect(folder.path());
    assert_eq!(client.ask(1, 0, 512, &[b'b'; 512]).0, 0);
    assert_eq!(client.ask(3, 0, 0, &[]).0, 0);
    assert_eq!(client.ask(1, 0, 512, &[b'c'; 512]).0, 0);
    assert!(client.ask(0, 0, 512, &[]).1 == [b'c'; 512]);
    assert_eq!(disk.cut(PowerCut::LoseAll).expect("cut"), 1);
    drop(client);
    let mut client = Client::connect(folder.path());
    assert!(client.ask(0, 0, 512, &[]).1 == [b'b'; 512]);
    assert_eq!(disk.counts().lost, 1);
}

#[test]
fn a_flush_that_lies_loses_what_it_promised() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = disk(folder.path());
    disk.faults(|faults| faults.flush_lies = true);
    let mut client = Client::connect(folder.path());
    assert_eq!(client.ask(1, 0, 512, &[b'b'; 512]).0, 0);
    assert_eq!(client.ask(3, 0, 0, &[]).0, 0);
    assert_eq!(disk.cut(PowerCut::LoseAll).expect("cut"), 1);
    drop(client);
    assert!(Client::connect(folder.path()).ask(0, 0, 512, &[]).1 == [b'a'; 512]);
}

#[test]
fn faults_are_switched_on_and_off_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = disk(folder.path());
    let mut client = Client::connect(folder.path());
    disk.faults(|faults| {
        faults.read_error = true;
        faults.write_error = true;
        faults.flush_error = true;
    });
    assert_eq!(client.ask(0, 0, 512, &[]).0, EIO);
    assert_eq!(client.ask(1, 0, 512, &[0; 512]).0, EIO);
    assert_eq!(client.ask(3, 0, 0, &[]).0, EIO);
    disk.faults(|faults| {
        *faults = DiskFaults {
            flush_delay: Duration::from_millis(200),
            ..DiskFaults::default()
        }
    });
    let begun = std::time::Instant::now();
    assert_eq!(client.ask(3, 0, 0, &[]).0, 0);
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(client.ask(0, 0, 512, &[]).0, 0);
    assert_eq!(disk.counts().errors, 3);
}

#[test]
fn requests_beyond_the_end_and_in_parts_of_sectors_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _disk = disk(folder.path());
    let mut client = Client::connect(folder.path());
    assert_eq!(client.ask(0, 1 << 20, 512, &[]).0, EINVAL);
    assert_eq!(client.ask(0, u64::MAX - 511, 512, &[]).0, EINVAL);
    assert_eq!(client.ask(1, 100, 4, &[0; 4]).0, EINVAL);
    assert_eq!(client.ask(99, 0, 0, &[]).0, EINVAL);
}
