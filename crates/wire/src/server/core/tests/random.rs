//! Random input: nothing panics, and every request has one response.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*};

use super::*;

fn request() -> impl Strategy<Value = String> {
    let session = prop_oneof![Just("a"), Just("b"), Just("c"), Just("")];
    let source = prop_oneof![
        Just("1+1"),
        Just("wait"),
        Just("never"),
        Just("input"),
        Just("exit()"),
        Just("raise"),
        Just("print x"),
        Just("silent"),
    ];
    let ops = "eval eval eval open open attach detach close list check complete inspect interrupt interrupt input \
               resize tail tasks cancel stacks hello fly";
    let op = proptest::sample::select(ops.split_whitespace().collect::<Vec<_>>());
    (op, session, source, 0..4_u64).prop_map(|(op, session, source, number)| {
        format!(
            r#""op":"{op}","name":"{session}","session":"{session}","source":"{source}","cursor":{number},"cell":{number},"what":"doc","text":"x\n","columns":{number},"on":{},"task":{number},"after":{number},"version":1"#,
            number % 2 == 0
        )
    })
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    Send(usize, String),
    Turn,
    Wait,
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize, request()).prop_map(|(client, request)| Step::Send(client, request)),
        3 => Just(Step::Turn),
        1 => Just(Step::Wait),
        1 => (0..3_usize).prop_map(Step::Leave),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(parts in vec(vec(any::<u8>(), 0..200), 0..20), plain: bool, preface: bool) {
        let mut bench = Bench::new(Config::default());
        let id = bench.core.connect(Peer { plain, ..Peer::default() }, bench.now).expect("room");
        if preface {
            bench.write(id, &PREFACE);
        }
        for part in parts {
            bench.write(id, &part);
            bench.bytes(id);
        }
        bench.core.end_of_input(id, bench.now);
        bench.bytes(id);
        bench.core.gone(id, bench.now);
        bench.core.shut_down(bench.now);
    }

    #[test]
    fn every_request_has_one_response(steps in vec(step(), 0..60)) {
        let mut bench = Bench::new(Config::default());
        let mut clients: Vec<Client> = (0..3).map(|_| bench.client()).collect();
        let mut open: HashMap<(ClientId, RequestId), ()> = HashMap::new();
        for step in steps {
            match step {
                Step::Send(index, fields) => {
                    let client = &mut clients[index];
                    client.last += 1;
                    open.insert((client.id, client.last), ());
                    let text = format!(r#"{{"id":{},{fields}}}"#, client.last);
                    let mut bytes = u32::try_from(text.len()).expect("short").to_be_bytes().to_vec();
                    bytes.extend(text.as_bytes());
                    bench.write(client.id, &bytes);
                }
                Step::Turn => bench.turn(),
                Step::Wait => {
                    if bench.core.next_deadline().is_some() {
                        bench.wait();
                    }
                }
                Step::Leave(index) => {
                    let left = clients[index].id;
                    bench.core.gone(left, bench.now);
                    open.retain(|(client, _), ()| *client != left);
                    clients[index] = bench.client();
                }
            }
        }
        // Sessions end when the server does, and what was asked is answered or was not in time.
        bench.now += Config::default().limits.answer;
        bench.turn();
        bench.core.shut_down(bench.now);
        for client in &mut clients {
            client.read(&mut bench);
            for (id, _) in client.responses.drain(..) {
                prop_assert!(open.remove(&(client.id, id)).is_some(), "{id} twice or never asked");
            }
        }
        prop_assert!(open.is_empty(), "{open:?}");
        bench.turn();
        prop_assert!(bench.core.sessions.is_empty() && bench.core.names.is_empty());
        prop_assert!(bench.core.asks.is_empty());
    }
}
