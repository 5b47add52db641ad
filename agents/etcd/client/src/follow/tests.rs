use crate::News;
use crate::script::play;

const EMPTY: &str = r#"{"errorCode":100,"message":"Key not found","cause":"/d","index":7}"#;
const EVENT: &str =
    r#"{"action":"set","node":{"key":"/d/a","value":"1","modifiedIndex":9,"createdIndex":9}}"#;
const CLEARED: &str = r#"{"errorCode":401,"message":"The event in requested index is outdated and cleared","index":2000}"#;
const ONE: &str = r#"{"action":"get","node":{"key":"/d","dir":true,"nodes":[{"key":"/d/b","value":"2","modifiedIndex":1500,"createdIndex":1500}]}}"#;

#[tokio::test]
async fn a_directory_is_read_watched_and_read_anew_when_the_history_is_too_short() {
    let (client, served) = play(&[
        (404, 7, EMPTY),
        (200, 7, EVENT),
        (400, 2000, CLEARED),
        (200, 2000, ONE),
        (0, 0, ""),
        (200, 2001, ONE),
    ])
    .await;
    let mut follower = client.follow("/d");
    assert_eq!(
        follower.next().await,
        News::Whole {
            nodes: Vec::new(),
            index: 7
        }
    );
    let News::Event(event) = follower.next().await else {
        panic!()
    };
    assert_eq!(event.node.key, "/d/a");
    let News::Whole { nodes, index: 2000 } = follower.next().await else {
        panic!()
    };
    assert_eq!(nodes[0].key, "/d/b");
    // A connection that breaks may hide another server: the state is read again.
    assert!(matches!(
        follower.next().await,
        News::Whole { index: 2001, .. }
    ));
    let asked = served.await.unwrap();
    assert!(
        asked[0].starts_with("GET /v2/keys/d?quorum=false&recursive=true"),
        "{asked:?}"
    );
    for (at, from) in [(1, 8), (2, 10), (4, 2001)] {
        assert!(
            asked[at].contains(&format!("wait=true&recursive=true&waitIndex={from} ")),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn an_absence_is_told_once_and_ends_with_the_whole_state() {
    let (client, served) = play(&[(503, 0, ""), (503, 0, ""), (200, 5, ONE)]).await;
    let mut follower = client.follow("/d");
    assert!(matches!(follower.next().await, News::Away(_)));
    assert!(matches!(
        follower.next().await,
        News::Whole { index: 5, .. }
    ));
    assert_eq!(served.await.unwrap().len(), 3);
}
