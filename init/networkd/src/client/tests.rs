//! Event scripts for the client: a server's answers and the clock are written out.

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn client(remembered: Option<Ipv4Addr>) -> Client {
    let identity = Identity {
        mac: MAC,
        client_id: None,
        host_name: Some("n1".into()),
        broadcast: false,
    };
    Client::new(identity, 77, remembered)
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The message in the first send action.
fn sent(actions: &[Action]) -> Message {
    let payload = actions.iter().find_map(|action| match action {
        Action::Broadcast(payload) | Action::Unicast { payload, .. } => Some(payload),
        _ => None,
    });
    Message::decode(payload.expect("something was sent")).unwrap()
}

fn answer(kind: Kind, question: &Message) -> Event {
    let mut message = Message::from_client(kind, question.xid, MAC);
    message.request = false;
    message.yiaddr = Ipv4Addr::new(10, 0, 0, 5);
    message.options.insert(option::SERVER_ID, vec![10, 0, 0, 1]);
    message
        .options
        .insert(option::SUBNET_MASK, vec![255, 255, 255, 0]);
    message
        .options
        .insert(option::LEASE_TIME, vec![0, 0, 0, 100]);
    Event::Received(message)
}

fn bound() -> Client {
    let mut client = client(None);
    let discover = sent(&client.handle(at(0), Event::CarrierUp));
    let request = sent(&client.handle(at(0), answer(Kind::Offer, &discover)));
    assert_eq!(
        request.address(option::REQUESTED_ADDRESS),
        Some(Ipv4Addr::new(10, 0, 0, 5))
    );
    let actions = client.handle(at(0), answer(Kind::Ack, &request));
    assert!(matches!(
        actions.as_slice(),
        [Action::Listen(false), Action::Configure(_)]
    ));
    client
}

#[test]
fn the_first_question_goes_out_with_the_carrier_and_again_after_about_a_second() {
    let mut client = client(None);
    let actions = client.handle(at(5), Event::CarrierUp);
    assert_eq!(sent(&actions).kind(), Some(Kind::Discover));
    let due = client.deadline().unwrap();
    assert!(
        due >= at(6) && due < Duration::from_millis(6_200),
        "{due:?}"
    );
    assert_eq!(
        sent(&client.handle(due, Event::Timer)).kind(),
        Some(Kind::Discover)
    );
    assert!(client.deadline().unwrap() - due >= at(2));
}

#[test]
fn renewal_is_unicast_at_t1_and_broadcast_after_t2() {
    let mut client = bound();
    assert_eq!(client.deadline(), Some(at(50)));
    let actions = client.handle(at(50), Event::Timer);
    assert!(
        matches!(actions.get(1), Some(Action::Unicast { server, .. }) if server.octets() == [10, 0, 0, 1])
    );
    assert_eq!(sent(&actions).ciaddr, Ipv4Addr::new(10, 0, 0, 5));
    let actions = client.handle(at(90), Event::Timer);
    assert!(matches!(actions.first(), Some(Action::Broadcast(_))));
    let actions = client.handle(at(91), answer(Kind::Ack, &sent(&actions)));
    assert!(matches!(actions.last(), Some(Action::Configure(_))));
    assert_eq!(client.deadline(), Some(at(141)));
}

#[test]
fn the_address_is_taken_away_when_the_lease_ends_unrenewed() {
    let mut client = bound();
    let mut now = at(50);
    loop {
        let actions = client.handle(now, Event::Timer);
        if matches!(actions.first(), Some(Action::Withdraw(_))) {
            assert!(now >= at(100));
            assert_eq!(sent(&actions).kind(), Some(Kind::Discover));
            return;
        }
        now = client.deadline().unwrap();
        assert!(now < at(103), "still holding at {now:?}");
    }
}

#[test]
fn a_remembered_address_costs_one_question_and_a_refusal_begins_anew() {
    let mut client = client(Some(Ipv4Addr::new(10, 0, 0, 5)));
    let request = sent(&client.handle(at(0), Event::CarrierUp));
    assert_eq!(request.kind(), Some(Kind::Request));
    assert_eq!(request.address(option::SERVER_ID), None);
    let actions = client.handle(at(0), answer(Kind::Nak, &request));
    assert!(matches!(actions.first(), Some(Action::Withdraw(_))));
    assert_eq!(sent(&actions).kind(), Some(Kind::Discover));
}

#[test]
fn answers_to_others_are_ignored() {
    let mut client = client(None);
    let mut discover = sent(&client.handle(at(0), Event::CarrierUp));
    discover.xid ^= 1;
    assert!(
        client
            .handle(at(0), answer(Kind::Offer, &discover))
            .is_empty()
    );
    discover.xid ^= 1;
    assert!(
        client
            .handle(at(0), answer(Kind::Ack, &discover))
            .is_empty()
    );
}

#[test]
fn a_carrier_that_comes_back_confirms_the_same_address() {
    let mut client = bound();
    assert!(client.handle(at(10), Event::CarrierLost).is_empty());
    let actions = client.handle(at(12), Event::CarrierUp);
    assert_eq!(
        sent(&actions).address(option::REQUESTED_ADDRESS),
        Some(Ipv4Addr::new(10, 0, 0, 5))
    );
}
