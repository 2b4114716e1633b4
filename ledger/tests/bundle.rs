//! Bundles and blocks as they are read and judged.

mod common;

use common::*;
use ed25519_dalek::SigningKey;
use hpaxos_consensus::NetworkId;
use hpaxos_ledger::limits::*;
use hpaxos_ledger::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

const EXAMPLE: &str = r#"{"log":"red+blue","valid_until":4096,"salt":7,"signers":["8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394","8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"],"parts":[{"chain":"blue","operations":[{"op":"pay","asset":"gold","from":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","to":"8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394","amount":"10"}]},{"chain":"red","operations":[{"op":"transfer","key":"red+blue:seat/12A","to":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","if_version":1}]}],"signatures":["988409f7c82473b0a23f9ec18af4e45099b455d4341ac019b388474a3ccb5132e5ba4f434abf33fba01836154c28ca5eca3e86d4c76de30bade93515e96ffc01","9099d075ad866eacfc160c135f275e18b6663c4ed7520de14c66590f45d6510907c53c075fd414d8d8cae58c7488b03a7ee477e71d87d9fedd8e79a1fcf19b08"]}"#;

const EXAMPLE_BODY: &str = "080000007265642b626c756500100000000000000700000000000000020000008139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3948a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c0200000004000000626c7565010000000504000000676f6c648a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b3940a000000000000000000000000000000030000007265640100000002110000007265642b626c75653a736561742f3132418a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c010100000000000000";

fn example_network() -> NetworkId {
    NetworkId(Sha256::digest(b"example network").into())
}

/// The published example: programs in other languages are tested against it.
#[test]
fn the_worked_example_is_as_published() {
    let bundle = Bundle::from_json(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(hex::encode(borsh::to_vec(&bundle.body).unwrap()), EXAMPLE_BODY);
    let id = "d8504582e1fff4be3c6164a4902e71e3d18963a8fdcf47ca953622579dfbef9e";
    assert_eq!(bundle.id(example_network()).to_string(), id);
    assert_eq!(id.parse(), Ok(bundle.id(example_network())));
    assert_eq!(bundle.to_json(), EXAMPLE);
    assert_eq!(Bundle::from_bytes(&bundle.to_bytes()), Some(bundle.clone()));

    let mut again = Bundle::unsigned(bundle.body.clone());
    for secret in [2, 1] {
        let key = SigningKey::from_bytes(&[secret; 32]);
        assert!(again.unsigned_by(example_network()).contains(&key.verifying_key().to_bytes()));
        assert!(again.sign(example_network(), &key));
    }
    assert!(again.unsigned_by(example_network()).is_empty());
    assert_eq!(again, bundle);
    assert!(!again.sign(example_network(), &SigningKey::from_bytes(&[3; 32])));

    let rules = LogRules { network: example_network(), ..rules(&genesis("")) };
    assert_eq!(bundle.check(&rules, 4_096), Ok(bundle.id(example_network())));
}

/// Every operation, in JSON, with its canonical encoding.
#[test]
fn every_operation_has_its_forms() {
    let one = "01".repeat(32);
    let two = "02".repeat(32);
    let key = "05000000723a6b6579";
    let gold = "04000000676f6c64";
    let five = format!("05{}", "00".repeat(15));
    for (json, bytes) in [
        (
            format!(r#"{{"op":"create","key":"r:key","value":"AQI=","owner":"{one}"}}"#),
            format!("00{key}020000000102{one}"),
        ),
        (
            r#"{"op":"update","key":"r:key","value":"","if_version":3}"#.into(),
            format!("01{key}00000000010300000000000000"),
        ),
        (format!(r#"{{"op":"transfer","key":"r:key","to":"{two}"}}"#), format!("02{key}{two}00")),
        (r#"{"op":"delete","key":"r:key"}"#.into(), format!("03{key}00")),
        (
            format!(r#"{{"op":"require","key":"r:key","version":1,"owner":"{one}"}}"#),
            format!("0400{key}01010000000000000001{one}00"),
        ),
        (r#"{"op":"require","key":"r:key","absent":true}"#.into(), format!("0400{key}00000101")),
        (
            format!(
                r#"{{"op":"require","balance":{{"asset":"gold","owner":"{one}","at_least":"5"}}}}"#
            ),
            format!("0401{gold}{one}{five}"),
        ),
        (
            format!(r#"{{"op":"pay","asset":"gold","from":"{one}","to":"{two}","amount":"5"}}"#),
            format!("05{gold}{one}{two}{five}"),
        ),
        (r#"{"op":"release","key":"r:key","to_log":"r"}"#.into(), format!("0600{key}0100000072")),
        (
            format!(
                r#"{{"op":"release","asset":"gold","from":"{one}","amount":"5","to_log":"r"}}"#
            ),
            format!("0601{gold}{one}{five}0100000072"),
        ),
        (
            r#"{"op":"claim","release":"AQ==","proof":"Ag=="}"#.into(),
            "0701000000010100000002".into(),
        ),
    ] {
        let text = format!(
            r#"{{"log":"r","valid_until":1,"salt":0,"signers":[],"parts":[{{"chain":"c","operations":[{json}]}}],"signatures":[]}}"#
        );
        let bundle = Bundle::from_json(text.as_bytes()).unwrap();
        assert_eq!(bundle.to_json(), text);
        let operation = &bundle.body.parts[0].operations[0];
        assert_eq!(hex::encode(borsh::to_vec(operation).unwrap()), bytes, "{json}");
        assert_eq!(Bundle::from_bytes(&bundle.to_bytes()), Some(bundle));
    }
}

#[test]
fn says_where_the_json_is_wrong() {
    let pay = r#"{"op":"pay","#;
    for (from, to, at) in [
        (EXAMPLE, "[]", None),
        (EXAMPLE, "{", None),
        (r#""salt":7"#, r#""salt":-7"#, Some("salt")),
        (r#""salt":7"#, r#""salt":9007199254740993"#, Some("salt")),
        (r#""salt":7"#, r#""pepper":7"#, Some("salt")),
        (r#""salt":7"#, r#""salt":7,"pepper":7"#, Some("pepper")),
        (r#""signers":["81"#, r#""signers":["8G"#, Some("signers[0]")),
        (r#""signers":["8139770ea"#, r#""signers":["8139770eA"#, Some("signers[0]")),
        (r#""signatures":["98"#, r#""signatures":[98,"98"#, Some("signatures[0]")),
        (r#""chain":"red""#, r#""chain":null"#, Some("parts[1].chain")),
        (r#""op":"transfer""#, r#""op":"steal""#, Some("parts[1].operations[0].op")),
        (r#""key":"red"#, r#""k":"red"#, Some("parts[1].operations[0].key")),
        (r#""amount":"10""#, r#""amount":10"#, Some("parts[0].operations[0].amount")),
        (r#""amount":"10""#, r#""amount":"010""#, Some("parts[0].operations[0].amount")),
        (r#""amount":"10""#, r#""amount":"+10""#, Some("parts[0].operations[0].amount")),
        (pay, r#"{"op":"pay","tip":1,"#, Some("parts[0].operations[0].tip")),
    ] {
        let text = EXAMPLE.replacen(from, to, 1);
        assert_ne!(text, EXAMPLE);
        let refusal = Bundle::from_json(text.as_bytes()).unwrap_err();
        assert_eq!((refusal.code, refusal.at.as_deref()), (Code::Malformed, at), "{text}");
    }
    let shown = serde_json::to_string(&Refusal::new(Code::TooFar, "why").at("salt")).unwrap();
    assert_eq!(shown, r#"{"code":"too_far","message":"why","at":"salt"}"#);
}

/// What one change of a valid bundle makes of it.
#[test]
fn refuses_what_is_not_valid() {
    let rules = rules(&genesis(""));
    let key = |name: &str| format!("{LOG}:{name}");
    let create = |key: String, value: usize, owner: u8| Operation::Create {
        key,
        value: vec![0; value],
        owner: common::key(owner),
    };
    let on_red = |operation: Operation| vec![part("red", vec![operation])];
    let require = |version: Option<u64>, absent: Option<bool>| {
        let (key, owner) = (format!("{LOG}:a"), None);
        Operation::Require(Condition::Object { key, version, owner, absent })
    };
    let release = |key: &str, to_log: &str| {
        Operation::Release(Release::Object { key: key.into(), to_log: to_log.into() })
    };
    let release_some = |asset: &str, amount, to_log: String| {
        let (asset, from) = (asset.into(), common::key(0));
        Operation::Release(Release::Balance { asset, from, amount, to_log })
    };
    let good = vec![
        on_red(pay(0, 1, 1)),
        on_red(create(key("a"), VALUE_BYTES_MAX, 0)),
        on_red(create(key(&"x".repeat(KEY_BYTES_MAX - 9)), 0, 0)),
        on_red(require(Some(NUMBER_MAX), Some(false))),
        vec![part("blue", vec![pay(0, 1, 1); 63]), part("red", vec![pay(0, 1, 1)])],
        // Whether there is such a log, and such an object, shows in execution.
        on_red(release("red:never", "nowhere")),
        on_red(release_some("gold", 1, "x".repeat(4_096))),
    ];
    for parts in good {
        assert!(bundle(1, 10, &[0], parts.clone()).check(&rules, 3).is_ok(), "{parts:?}");
    }
    let field = |name: &str| format!("parts[0].operations[0].{name}");
    let claim = Operation::Claim { release: Vec::new(), proof: Vec::new() };
    let zero = |asset: &str, amount| Operation::Pay {
        asset: asset.into(),
        from: common::key(0),
        to: common::key(1),
        amount,
    };
    use Code::*;
    for (parts, code, at) in [
        (vec![], Malformed, "parts".to_owned()),
        (vec![part("red", vec![])], Malformed, "parts[0].operations".into()),
        (vec![part("green", vec![pay(0, 1, 1)])], Malformed, "parts[0].chain".into()),
        (
            vec![part("red", vec![pay(0, 1, 1)]), part("blue", vec![pay(0, 1, 1)])],
            Malformed,
            "parts[1].chain".into(),
        ),
        (
            vec![part("red", vec![pay(0, 1, 1)]), part("red", vec![pay(0, 1, 1)])],
            Malformed,
            "parts[1].chain".into(),
        ),
        (on_red(create("red:a".into(), 0, 0)), Malformed, field("key")),
        (on_red(create(format!("{LOG}:"), 0, 0)), Malformed, field("key")),
        (on_red(create("a".into(), 0, 0)), Malformed, field("key")),
        (on_red(create(key("a"), 0, 1)), Malformed, field("owner")),
        (on_red(create(key("a"), VALUE_BYTES_MAX + 1, 0)), Limits, field("value")),
        (on_red(create(key(&"x".repeat(KEY_BYTES_MAX - 8)), 0, 0)), Limits, field("key")),
        (on_red(zero("gold", 0)), Malformed, field("amount")),
        (on_red(zero("", 1)), Malformed, field("asset")),
        (on_red(zero(&"x".repeat(257), 1)), Limits, field("asset")),
        (on_red(require(None, None)), Malformed, field("").trim_end_matches('.').into()),
        (on_red(require(Some(1), Some(true))), Malformed, field("absent")),
        (on_red(require(Some(NUMBER_MAX + 1), None)), Malformed, field("version")),
        (on_red(release("first", "red")), Malformed, field("key")),
        (on_red(release(&key("first"), &"x".repeat(4_097))), Limits, field("to_log")),
        (on_red(release_some("gold", 1, "x".repeat(4_097))), Limits, field("to_log")),
        (on_red(release_some("gold", 0, "red".into())), Malformed, field("amount")),
        (on_red(release_some("", 1, "red".into())), Malformed, field("asset")),
        (on_red(claim), Malformed, field("release")),
        (vec![part("red", vec![pay(0, 1, 1); 65])], Limits, String::new()),
        (
            vec![part("red", (0..3).map(|_| create(key("a"), 50_000, 0)).collect())],
            TooLarge,
            String::new(),
        ),
    ] {
        let refusal = bundle(1, 10, &[0], parts.clone()).check(&rules, 3).unwrap_err();
        let place = refusal.at.clone().unwrap_or_default();
        assert_eq!((refusal.code, place), (code, at), "{refusal}");
    }
    let parts = on_red(pay(0, 1, 1));
    let other = Bundle { signatures: vec![[0; 64]], ..unsigned(1, 10, &[0], parts.clone()) };
    let at = |slot, valid_until| {
        bundle(1, valid_until, &[0], parts.clone()).check(&rules, slot).map_err(|it| it.code)
    };
    assert!(at(10, 10).is_ok() && at(10, 10 + WINDOW_SLOTS).is_ok());
    assert_eq!(at(11, 10).unwrap_err(), Expired);
    assert_eq!(at(10, 11 + WINDOW_SLOTS).unwrap_err(), TooFar);
    assert_eq!(other.check(&rules, 3).unwrap_err().code, BadSignature);
    let mut elsewhere = bundle(1, 10, &[0], parts.clone());
    elsewhere.body.log = "red".into();
    assert_eq!(elsewhere.check(&rules, 3).unwrap_err().at.as_deref(), Some("log"));
}

#[test]
fn takes_exactly_the_signatures_of_all_signers() {
    let rules = rules(&genesis(""));
    let right = bundle(1, 10, &[0, 1, 2], vec![part("red", vec![pay(0, 1, 1)])]);
    let check = |change: &dyn Fn(&mut Bundle)| {
        let mut bundle = right.clone();
        change(&mut bundle);
        bundle.check(&rules, 3).map_err(|refusal| refusal.code)
    };
    assert!(check(&|_| ()).is_ok());
    let bad = Err(Code::BadSignature);
    assert_eq!(check(&|it| it.signatures.truncate(2)), bad);
    assert_eq!(check(&|it| it.signatures.push(it.signatures[0])), bad);
    assert_eq!(check(&|it| it.signatures.swap(0, 1)), bad);
    assert_eq!(check(&|it| it.signatures[1][5] ^= 1), bad);
    assert_eq!(check(&|it| it.body.salt += 1), bad);
    assert_eq!(check(&|it| it.body.signers.swap(0, 1)), Err(Code::Malformed));
    let twice = |it: &mut Bundle| {
        it.body.signers[1] = it.body.signers[0];
        it.signatures[1] = it.signatures[0];
    };
    assert_eq!(check(&twice), Err(Code::Malformed));
    // Another network asks for other signatures.
    let other = LogRules { network: NetworkId([8; 32]), ..rules.clone() };
    assert_eq!(right.check(&other, 3).unwrap_err().code, Code::BadSignature);
    // The neutral element as a key: a lax check would take it, for any bundle.
    let mut weak = unsigned(1, 10, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let mut neutral = [0; 32];
    neutral[0] = 1;
    weak.body.signers = vec![neutral];
    weak.signatures = vec![std::array::from_fn(|index| u8::from(index == 0))];
    assert_eq!(weak.check(&rules, 3).unwrap_err().code, Code::BadSignature);
}

/// Signatures of a block are checked together; those of the first bundle are known.
#[test]
fn the_wrong_one_of_many_signatures_is_found() {
    let rules = rules(&genesis(""));
    let parts = || vec![part("red", vec![pay(0, 1, 1)])];
    let right = [
        bundle(1, 10, &[0, 1], parts()),
        bundle(2, 10, &[2], parts()),
        bundle(3, 10, &[0, 1, 2], parts()),
    ];
    let first = right[0].id(NETWORK);
    let known = |id: &BundleId, _: &[[u8; 64]]| *id == first;
    for (index, wrong) in [(1, 0), (2, 0), (2, 1), (2, 2)] {
        let mut bundles = right.to_vec();
        bundles[index].signatures[wrong][7] ^= 1;
        let bytes = Block { bundles }.to_bytes();
        let refused = Block::check_knowing(&rules, 3, &bytes, &known).unwrap_err();
        let InvalidBlock::Bundle { index: found, refusal } = refused else { panic!("{refused}") };
        assert_eq!((found, refusal.code), (index, Code::BadSignature));
        assert_eq!(refusal.at, Some(format!("signatures[{wrong}]")));
    }
    let mut fewer = right[1].clone();
    fewer.signatures.clear();
    let id = fewer.id(NETWORK);
    assert_eq!(Bundle::check_signatures([(&right[0], &first), (&fewer, &id)]).unwrap_err().0, 1);
}

#[test]
fn blocks_are_judged_by_rules_slot_and_bytes() {
    let rules = rules(&genesis(""));
    let one = bundle(1, 10, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let two = bundle(2, 10, &[0], vec![part("red", vec![pay(0, 1, 1)])]);
    let bytes = |bundles: &[&Bundle]| {
        Block { bundles: bundles.iter().map(|it| (*it).clone()).collect() }.to_bytes()
    };
    let check = |bytes: &[u8]| Block::check(&rules, 3, bytes);
    assert_eq!(check(&bytes(&[])), Ok(Block::default()));
    assert_eq!(check(&bytes(&[&one, &two])).unwrap().bundles, [one.clone(), two.clone()]);
    assert!(matches!(check(&bytes(&[&one, &one])), Err(InvalidBlock::Repeated { index: 1 })));
    let wrong = Bundle { signatures: vec![[1; 64]], ..two.clone() };
    let refused = check(&bytes(&[&one, &wrong]));
    assert!(matches!(refused, Err(InvalidBlock::Bundle { index: 1, .. })));
    let mut longer = bytes(&[&one]);
    longer.push(0);
    assert!(matches!(check(&longer), Err(InvalidBlock::Encoding(_))));
    assert!(matches!(check(&[]), Err(InvalidBlock::Encoding(_))));
    let large = vec![0; BLOCK_BYTES_MAX + 1];
    assert_eq!(check(&large), Err(InvalidBlock::TooLarge(BLOCK_BYTES_MAX + 1)));
    assert_ne!(value(NETWORK, &bytes(&[])), value(NetworkId([8; 32]), &bytes(&[])));

    // Known signatures are those and no others, of that bundle and no other.
    let known = |id: &BundleId, signatures: &[[u8; 64]]| {
        *id == wrong.id(NETWORK) && signatures == wrong.signatures
    };
    let knowing = |bytes: &[u8]| Block::check_knowing(&rules, 3, bytes, &known);
    assert!(knowing(&bytes(&[&wrong])).is_ok());
    let other = Bundle { signatures: vec![[2; 64]], ..two };
    assert!(knowing(&bytes(&[&other])).is_err());
}

proptest! {
    #![proptest_config(random(256))]

    /// Of any bytes, at most one block; and lengths that lie cost nothing.
    #[test]
    fn decodes_canonical_encodings_only(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let parts = vec![part("blue", vec![pay(0, 1, 1)]), part("red", vec![pay(1, 0, 2)])];
        let block = Block { bundles: vec![unsigned(1, 10, &[0, 1], parts); 2] };
        let mut bytes = block.to_bytes();
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(read) = Block::decode(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes.clone());
        }
        prop_assert!(Block::decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn reads_any_text_without_a_panic(text in ".*") {
        prop_assert!(Bundle::from_json(text.as_bytes()).is_err());
    }
}
