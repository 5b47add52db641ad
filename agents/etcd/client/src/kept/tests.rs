use std::time::Duration;

use super::renew_after;
use crate::script::play;
use crate::{Node, Renewal};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

const MADE: &str = r#"{"action":"create","node":{"key":"/k","value":"v","ttl":86400,"modifiedIndex":3,"createdIndex":3}}"#;
const AGAIN: &str = r#"{"action":"compareAndSwap","node":{"key":"/k","value":"v","ttl":86400,"modifiedIndex":8,"createdIndex":3}}"#;
const THEIRS: &str =
    r#"{"action":"get","node":{"key":"/k","value":"other","modifiedIndex":9,"createdIndex":9}}"#;
const FOREVER: &str = r#"{"action":"compareAndSwap","node":{"key":"/k","value":"v","modifiedIndex":8,"createdIndex":3}}"#;
const CONFLICT: &str =
    r#"{"errorCode":101,"message":"Compare failed","cause":"[3 != 9]","index":9}"#;

#[test]
fn a_lease_is_renewed_a_margin_before_its_end_or_at_its_half() {
    let seconds = Duration::from_secs;
    for (left, margin, wait) in [
        (86_400, 3600, 82_800),
        (3600, 3600, 1800),
        (500, 3600, 250),
        (30, 10, 20),
    ] {
        assert_eq!(renew_after(seconds(left), seconds(margin)), seconds(wait));
    }
}

#[tokio::test]
async fn a_renewal_names_the_index_that_is_known() {
    let (client, served) = play(&[(201, 3, MADE), (200, 8, AGAIN)]).await;
    let mut kept = client.keep_new("/k", "v".into(), DAY, HOUR).await.unwrap();
    assert_eq!(kept.renew().await.unwrap(), Renewal::Renewed);
    assert_eq!(kept.index(), 8);
    let asked = served.await.unwrap();
    assert!(
        asked[0].contains("prevExist=false") && asked[0].ends_with("value=v&ttl=86400"),
        "{asked:?}"
    );
    assert!(
        asked[1].contains("prevIndex=3") && asked[1].ends_with("value=v&ttl=86400"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_key_that_went_to_somebody_else_is_lost_and_not_overwritten() {
    let (client, served) = play(&[(201, 3, MADE), (412, 9, CONFLICT), (200, 9, THEIRS)]).await;
    let mut kept = client.keep_new("/k", "v".into(), DAY, HOUR).await.unwrap();
    assert_eq!(kept.renew().await.unwrap(), Renewal::Lost);
    assert!(served.await.unwrap()[2].starts_with("GET /v2/keys/k?quorum=true"));
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_is_recognised_by_its_value() {
    let (client, served) = play(&[
        (201, 3, MADE),
        (0, 0, ""),
        (412, 9, CONFLICT),
        (200, 9, AGAIN),
    ])
    .await;
    let mut kept = client.keep_new("/k", "v".into(), DAY, HOUR).await.unwrap();
    kept.renew().await.unwrap_err();
    assert_eq!(kept.renew().await.unwrap(), Renewal::Renewed);
    assert_eq!(served.await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_reservation_is_written_without_a_time_to_live_and_is_never_due() {
    let (client, served) = play(&[(200, 8, FOREVER)]).await;
    let node = Node {
        key: "/k".into(),
        modified_index: 3,
        ..Node::default()
    };
    let kept = client
        .keep_existing(&node, "v".into(), DAY, HOUR)
        .await
        .unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(50), kept.due())
            .await
            .is_err()
    );
    assert!(served.await.unwrap()[0].ends_with(" value=v"));
}
