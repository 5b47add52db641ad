//! Data sources: a metadata service and drives made by the test (C-82 to C-87).

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{program, texts};

/// A metadata service on loopback: paths to (status, body), any number of connections.
struct Service {
    url: String,
    pages: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    fn start(pages: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let pages = pages
            .iter()
            .map(|(path, body)| ((*path).to_owned(), (200, (*body).to_owned())))
            .collect();
        let service = Self {
            url,
            pages: Arc::new(Mutex::new(pages)),
            asked: Arc::default(),
        };
        let (pages, asked) = (Arc::clone(&service.pages), Arc::clone(&service.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (pages, asked) = (Arc::clone(&pages), Arc::clone(&asked));
                std::thread::spawn(move || serve(stream, &pages, &asked));
            }
        });
        service
    }

    fn set(&self, path: &str, status: u16, body: &str) {
        self.pages
            .lock()
            .unwrap()
            .insert(path.to_owned(), (status, body.to_owned()));
    }
}

fn serve(
    mut stream: TcpStream,
    pages: &Mutex<BTreeMap<String, (u16, String)>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut buffer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        while let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            let path = head
                .split(' ')
                .nth(1)
                .unwrap_or("/")
                .trim_start_matches('/')
                .to_owned();
            asked.lock().unwrap().push(path.clone());
            let (status, body) = pages
                .lock()
                .unwrap()
                .get(&path)
                .cloned()
                .unwrap_or_else(|| (404, "not here".into()));
            let answer = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(length) => buffer.extend_from_slice(&piece[..length]),
        }
    }
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f nova";
const META: &str = "2009-04-04/meta-data";

fn nova(user_data: Option<&str>) -> Service {
    let service = Service::start(&[]);
    for (path, body) in [
        ("", "ami-id\npublic-keys/\n"),
        ("local-ipv4", "10.0.0.7"),
        ("public-ipv4", ""),
        ("hostname", "n.novalocal extra"),
        ("public-keys", "0=nova\nno key line"),
        ("public-keys/0/openssh-key", KEY),
    ] {
        service.set(&format!("{META}/{path}"), 200, body);
    }
    if let Some(text) = user_data {
        service.set("2009-04-04/user-data", 200, text);
    }
    service
}

#[test]
fn c_82_and_83_the_ec2_tree_gives_key_private_address_and_short_name_and_404_is_no_user_data() {
    let service = nova(None);
    let root = tempfile::tempdir().unwrap();
    let (output, report) = program(root.path(), &["-from-ec2-metadata", &service.url], &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["hostname"], "n");
    assert_eq!(texts(&report["ssh_keys"], "core"), [KEY]);
    let environment = fs::read_to_string(root.path().join("etc/environment")).unwrap();
    assert_eq!(environment, "COREOS_PRIVATE_IPV4=10.0.0.7\n");
    assert!(report["diagnostics"].to_string().contains("no key line"));
}

#[test]
fn the_openstack_tree_is_asked_first_and_a_service_that_is_not_ready_is_asked_again() {
    let service = nova(Some("#cloud-config\nhostname: from-user-data\n"));
    service.set("openstack/latest/meta_data.json", 503, "");
    let root = tempfile::tempdir().unwrap();
    let pages = Arc::clone(&service.pages);
    std::thread::spawn(move || {
        #[expect(
            clippy::disallowed_methods,
            reason = "the service becomes ready after a while"
        )]
        std::thread::sleep(std::time::Duration::from_millis(400));
        let body = r#"{"uuid":"u-1","hostname":"os.novalocal","public_keys":{"k":"ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB os\n"}}"#;
        pages
            .lock()
            .unwrap()
            .insert("openstack/latest/meta_data.json".into(), (200, body.into()));
    });
    let (output, report) = program(
        root.path(),
        &["--from-openstack-metadata", &service.url],
        &[],
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(report["hostname"], "from-user-data");
    assert_eq!(
        texts(&report["ssh_keys"], "core"),
        ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB os"]
    );
    let asked = service.asked.lock().unwrap().clone();
    assert!(
        !asked.iter().any(|path| path.contains("public-keys")),
        "{asked:?}"
    );
}

#[test]
fn c_84_a_service_that_is_down_is_bounded_and_the_kept_copy_is_used() {
    let document = "#cloud-config\ncoreos: {etcd2: {name: kept}}\n";
    let service = nova(Some(document));
    let root = tempfile::tempdir().unwrap();
    let (output, _) = program(root.path(), &["-from-ec2-metadata", &service.url], &[]);
    assert!(output.status.success(), "{output:?}");
    let drop_in = root
        .path()
        .join("run/systemd/system/etcd2.service.d/20-cloudinit.conf");
    fs::remove_dir_all(root.path().join("run")).unwrap();

    // Nobody listens on a port that was just given back.
    let dead = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{dead}/");
    let arguments = ["-from-ec2-metadata", &url, "-timeout", "1"];
    let began = std::time::Instant::now();
    let (output, report) = program(root.path(), &arguments, &[]);
    assert!(began.elapsed() < std::time::Duration::from_secs(15));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        report["source"]
            .as_str()
            .unwrap()
            .starts_with("the copy kept from")
    );
    assert!(
        fs::read_to_string(&drop_in)
            .unwrap()
            .contains("ETCD_NAME=kept")
    );

    let empty = tempfile::tempdir().unwrap();
    let (output, _) = program(empty.path(), &arguments, &[]);
    assert_eq!(output.status.code(), Some(1));
    let message = fs::read_to_string(empty.path().join("run/coreos-cloudinit/motd")).unwrap();
    assert!(
        message.contains("no data source answered within"),
        "{message}"
    );
}

fn drive(folder: &Path, meta_data: &str, user_data: &str) {
    for (path, text) in [
        ("openstack/latest/meta_data.json", meta_data),
        ("openstack/latest/user_data", user_data),
        (
            "ec2/latest/meta-data.json",
            r#"{"local-ipv4":"10.0.0.8","public-ipv4":""}"#,
        ),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn c_85_a_drive_gives_keys_name_addresses_and_user_data() {
    let root = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let meta =
        format!(r#"{{"uuid":"u","hostname":"d.novalocal","public_keys":{{"k":"{KEY}\n"}}}}"#);
    drive(
        folder.path(),
        &meta,
        "#cloud-config\nwrite_files: [{path: /a, content: $private_ipv4}]\n",
    );
    let (output, report) = program(
        root.path(),
        &["-from-configdrive", &folder.path().display().to_string()],
        &[],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        (report["hostname"].as_str(), report["source"].as_str()),
        (Some("d"), Some("the config drive"))
    );
    assert_eq!(texts(&report["ssh_keys"], "core"), [KEY]);
    assert_eq!(
        fs::read_to_string(root.path().join("a")).unwrap(),
        "10.0.0.8"
    );
}

#[test]
fn c_86_broken_meta_data_on_a_drive_costs_only_itself() {
    let root = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    drive(folder.path(), "{broken", "#cloud-config\nhostname: good\n");
    let (output, report) = program(
        root.path(),
        &["-from-configdrive", &folder.path().display().to_string()],
        &[],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(report["hostname"], "good");
    assert!(report["diagnostics"].to_string().contains("meta_data.json"));
}

#[test]
fn c_87_an_empty_folder_is_no_drive() {
    let root = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (output, _) = program(
        root.path(),
        &["-from-configdrive", &folder.path().display().to_string()],
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("neither openstack/latest nor ec2/latest")
    );
}

#[test]
fn secrets_are_never_said() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("u");
    let text = "#cloud-config\nusers: [{name: bob, passwd: HASHHASH}]\nwrite_files: [{path: /a, content: SECRETTEXT, permissions: 384}]\ncoreos: {fleet: {etcd-password: PASSPASS}}\n";
    fs::write(&path, text).unwrap();
    let (output, report) = program(
        root.path(),
        &["-from-file", &path.display().to_string()],
        &[],
    );
    let mut all = format!("{report}{}", String::from_utf8_lossy(&output.stderr));
    all.push_str(
        &fs::read_to_string(root.path().join("run/coreos-cloudinit/status.json")).unwrap(),
    );
    for secret in ["HASHHASH", "SECRETTEXT", "PASSPASS"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}
