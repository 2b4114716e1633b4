//! The words in which people write what a bundle does, and read it before they sign.

use crate::commands::person::person;
use hpaxos_ledger::limits::NUMBER_MAX;
use hpaxos_ledger::{AtLeast, Claim, Condition, Operation, Part, Release, Thing};
use std::fs;

/// How each operation is written.
pub const FORMS: [&str; 9] = [
    "create KEY owner PERSON [value VALUE]",
    "update KEY value VALUE [if-version N]",
    "transfer KEY to PERSON [if-version N]",
    "delete KEY [if-version N]",
    "require KEY [version N] [owner PERSON] [present] [absent]",
    "require AMOUNT ASSET of PERSON",
    "pay AMOUNT ASSET from PERSON to PERSON",
    "release KEY to LOG",
    "release AMOUNT ASSET from PERSON to LOG",
];

/// Reads one part, as in `red: transfer red+blue:seat/12A to bob.json; delete red+blue:draft`.
///
/// # Errors
/// Which word is wrong, and what would be right.
pub fn read(text: &str) -> Result<Part, String> {
    let Some((chain, operations)) = text.split_once(':') else {
        return Err(
            "it should begin with a chain and a colon, as in `red: pay 1 gold from …`".into()
        );
    };
    let chain = chain.trim();
    if chain.is_empty() || chain.contains(char::is_whitespace) {
        return Err(format!("before the colon should be a chain, not `{}`", chain.escape_debug()));
    }
    let operations = split(operations)?.into_iter().map(operation);
    Ok(Part { chain: chain.to_owned(), operations: operations.collect::<Result<_, _>>()? })
}

/// The words of each operation. Quotes hold words together; a semicolon outside of them ends an operation.
fn split(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut operations, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' | '\'' => {
                let rest = letters.as_str();
                let Some((quoted, after)) = rest.split_once(letter) else {
                    return Err(format!(
                        "the quote before `{}` is not closed",
                        rest.escape_debug()
                    ));
                };
                word.get_or_insert_default().push_str(quoted);
                letters = after.chars();
            }
            ';' => {
                words.extend(word.take());
                operations.push(std::mem::take(&mut words));
            }
            letter if letter.is_whitespace() => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    operations.push(words);
    Ok(operations)
}

/// The words of an operation, one after the other.
struct Words {
    words: Vec<String>,
    next: usize,
}

fn operation(words: Vec<String>) -> Result<Operation, String> {
    let mut words = Words { words, next: 0 };
    let operation = words.operation()?;
    if let Some(more) = words.peek() {
        let more = more.to_owned();
        return Err(words.wrong(&more, "is one word too many"));
    }
    Ok(operation)
}

impl Words {
    fn operation(&mut self) -> Result<Operation, String> {
        let verb = self.word("create, update, transfer, delete, require, pay or release")?;
        Ok(match verb.as_str() {
            "create" => {
                let key = self.key()?;
                self.expect("owner")?;
                let owner = self.person()?;
                let value = if self.skip("value") { self.value()? } else { Vec::new() };
                Operation::Create { key, value, owner }
            }
            "update" => {
                let key = self.key()?;
                self.expect("value")?;
                Operation::Update { key, value: self.value()?, if_version: self.if_version()? }
            }
            "transfer" => {
                let key = self.key()?;
                self.expect("to")?;
                Operation::Transfer { key, to: self.person()?, if_version: self.if_version()? }
            }
            "delete" => Operation::Delete { key: self.key()?, if_version: self.if_version()? },
            "require" => Operation::Require(self.condition()?),
            "pay" => {
                let amount = self.amount()?;
                let asset = self.word("an asset")?;
                self.expect("from")?;
                let from = self.person()?;
                self.expect("to")?;
                Operation::Pay { asset, from, to: self.person()?, amount }
            }
            "release" => Operation::Release(self.release()?),
            _ => {
                let right = "should be create, update, transfer, delete, require, pay or release";
                return Err(self.wrong(&verb, right));
            }
        })
    }

    fn condition(&mut self) -> Result<Condition, String> {
        if !self.is_of_object() {
            let at_least = self.amount()?;
            let asset = self.word("an asset")?;
            self.expect("of")?;
            let balance = AtLeast { asset, owner: self.person()?, at_least };
            return Ok(Condition::Balance { balance });
        }
        let (key, mut version, mut owner, mut absent) = (self.key()?, None, None, None);
        loop {
            if self.skip("version") {
                version = Some(self.number()?);
            } else if self.skip("owner") {
                owner = Some(self.person()?);
            } else if self.skip("present") {
                absent = Some(false);
            } else if self.skip("absent") {
                absent = Some(true);
            } else {
                break;
            }
        }
        if version.is_none() && owner.is_none() && absent.is_none() {
            self.word("version N, owner PERSON, present or absent")?;
        }
        Ok(Condition::Object { key, version, owner, absent })
    }

    fn release(&mut self) -> Result<Release, String> {
        if self.is_of_object() {
            let key = self.key()?;
            self.expect("to")?;
            return Ok(Release::Object { key, to_log: self.word("a log")? });
        }
        let amount = self.amount()?;
        let asset = self.word("an asset")?;
        self.expect("from")?;
        let from = self.person()?;
        self.expect("to")?;
        Ok(Release::Balance { asset, from, amount, to_log: self.word("a log")? })
    }

    /// Whether a key comes next, and not an amount.
    fn is_of_object(&self) -> bool {
        self.peek().is_some_and(|word| word.contains(':'))
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.next).map(String::as_str)
    }

    fn word(&mut self, what: &str) -> Result<String, String> {
        let Some(word) = self.words.get(self.next).cloned() else {
            return Err(self.ends(what));
        };
        self.next += 1;
        Ok(word)
    }

    fn skip(&mut self, word: &str) -> bool {
        let here = self.peek() == Some(word);
        self.next += usize::from(here);
        here
    }

    fn expect(&mut self, right: &str) -> Result<(), String> {
        let word = self.word(&format!("`{right}`"))?;
        if word == right { Ok(()) } else { Err(self.wrong(&word, &format!("should be `{right}`"))) }
    }

    fn key(&mut self) -> Result<String, String> {
        let key = self.word("the key of an object")?;
        match key.split_once(':') {
            Some((log, rest)) if !log.is_empty() && !rest.is_empty() => Ok(key),
            _ => Err(self.wrong(&key, "should be an object's key, like red+blue:seat/12A")),
        }
    }

    fn person(&mut self) -> Result<[u8; 32], String> {
        let word = self.word("a person")?;
        person(&word).map_err(|error| self.wrong(&word, &format!("names nobody: {error:#}")))
    }

    fn amount(&mut self) -> Result<u128, String> {
        let word = self.word("an amount")?;
        let digits = word.bytes().all(|byte| byte.is_ascii_digit());
        word.parse().ok().filter(|amount| digits && *amount > 0).ok_or_else(|| {
            self.wrong(&word, "should be an amount: a whole number from 1 to 2^128 - 1")
        })
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.word("a version")?;
        let number = word.parse().ok().filter(|number| *number <= NUMBER_MAX);
        number.ok_or_else(|| self.wrong(&word, "should be a version: a whole number, like 1"))
    }

    fn if_version(&mut self) -> Result<Option<u64>, String> {
        self.skip("if-version").then(|| self.number()).transpose()
    }

    /// `@FILE`, or a text as it stands here.
    fn value(&mut self) -> Result<Vec<u8>, String> {
        let word = self.word("a value")?;
        match word.strip_prefix('@') {
            Some(path) => fs::read(path)
                .map_err(|error| self.wrong(&word, &format!("cannot be read: {error}"))),
            None => Ok(word.into_bytes()),
        }
    }

    /// What is wrong with the word that was read last.
    fn wrong(&self, word: &str, why: &str) -> String {
        format!("`{}` {why}{}", word.escape_debug(), self.form())
    }

    fn ends(&self, what: &str) -> String {
        let said = self.words.join(" ");
        format!("after `{}` there should be {what}{}", said.escape_debug(), self.form())
    }

    /// How the operation at hand is written.
    fn form(&self) -> String {
        let verb = self.words.first().map_or("", String::as_str);
        let forms = FORMS.iter().filter(|form| form.split(' ').next() == Some(verb));
        let forms: Vec<String> = forms.map(|form| format!("`{form}`")).collect();
        if forms.is_empty() { String::new() } else { format!(", as in {}", forms.join(" or ")) }
    }
}

/// An operation in these words; a value that is no short text is only measured.
pub fn write(operation: &Operation) -> String {
    let version =
        |version: &Option<u64>| version.map(|it| format!(" if-version {it}")).unwrap_or_default();
    match operation {
        Operation::Create { key, value, owner } => {
            format!("create {key} owner {} value {}", hex::encode(owner), shown(value))
        }
        Operation::Update { key, value, if_version } => {
            format!("update {key} value {}{}", shown(value), version(if_version))
        }
        Operation::Transfer { key, to, if_version } => {
            format!("transfer {key} to {}{}", hex::encode(to), version(if_version))
        }
        Operation::Delete { key, if_version } => format!("delete {key}{}", version(if_version)),
        Operation::Require(Condition::Object { key, version, owner, absent }) => {
            let version = version.map(|version| format!(" version {version}"));
            let owner = owner.map(|owner| format!(" owner {}", hex::encode(owner)));
            let absent =
                absent.map(|absent| if absent { " absent" } else { " present" }.to_owned());
            let asked: String = [version, owner, absent].into_iter().flatten().collect();
            format!("require {key}{asked}")
        }
        Operation::Require(Condition::Balance { balance }) => {
            let AtLeast { asset, owner, at_least } = balance;
            format!("require {at_least} {asset} of {}", hex::encode(owner))
        }
        Operation::Pay { asset, from, to, amount } => {
            format!("pay {amount} {asset} from {} to {}", hex::encode(from), hex::encode(to))
        }
        Operation::Release(Release::Object { key, to_log }) => format!("release {key} to {to_log}"),
        Operation::Release(Release::Balance { asset, from, amount, to_log }) => {
            format!("release {amount} {asset} from {} to {to_log}", hex::encode(from))
        }
        Operation::Claim { release, proof } => match Claim::read(release, proof) {
            Ok(Claim { released, proof }) => {
                let from_log = proof.certificate.log.escape_debug().to_string();
                format!("claim {}, released in {from_log}", thing(&released.thing))
            }
            Err(_) => "claim (nothing that could be released)".to_owned(),
        },
    }
}

/// A thing that moves, and whose it is.
pub fn thing(thing: &Thing) -> String {
    match thing {
        Thing::Object { key, owner, .. } => {
            format!("{} of {}", key.escape_debug(), hex::encode(owner))
        }
        Thing::Balance { asset, owner, amount } => {
            format!("{amount} {} of {}", asset.escape_debug(), hex::encode(owner))
        }
    }
}

/// Values of more letters are only measured.
const SHOWN_LETTERS: usize = 60;

fn shown(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if text.chars().count() <= SHOWN_LETTERS && !text.contains(char::is_control) => {
            format!("'{text}'")
        }
        _ => format!("({} bytes)", value.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Operation {
        let part = read(&format!("red: {text}")).unwrap();
        assert_eq!((part.chain.as_str(), part.operations.len()), ("red", 1));
        part.operations.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        let (alice, bob) = ("11".repeat(32), "22".repeat(32));
        for text in [
            format!("create red:a owner {alice} value 'two words; and more'"),
            format!("create red:a owner {alice} value ''"),
            "update red:a value 'free' if-version 3".to_owned(),
            format!("transfer red+blue:seat/12A to {bob}"),
            "delete red:a if-version 1".to_owned(),
            format!("require red:a version 2 owner {bob} present"),
            "require red:a absent".to_owned(),
            format!("require 5 gold of {alice}"),
            format!("pay 340282366920938463463374607431768211455 gold from {alice} to {bob}"),
            "release red+blue:seat/12A to red".to_owned(),
            format!("release 5 gold from {alice} to red+blue"),
        ] {
            assert_eq!(write(&one(&text)), text);
        }
        let part = read("blue: delete red:a; delete red:b").unwrap();
        assert_eq!((part.chain.as_str(), part.operations.len()), ("blue", 2));
    }

    #[test]
    fn values_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a value");
        fs::write(&path, [0, 255]).unwrap();
        let operation = one(&format!("update red:a value '@{}'", path.display()));
        assert_eq!(write(&operation), "update red:a value (2 bytes)");
    }

    #[test]
    fn says_which_word_is_wrong() {
        let alice = "11".repeat(32);
        for (text, message) in [
            ("pay 1 gold", "should begin with a chain and a colon"),
            ("red", "should begin with a chain and a colon"),
            (" : delete red:a", "before the colon should be a chain"),
            ("red:", "there should be create, update, transfer"),
            ("red: give red:a", "`give` should be create, update"),
            (
                "red: delete seat",
                "`seat` should be an object's key, like red+blue:seat/12A, as in `delete",
            ),
            ("red: delete red:a now", "`now` is one word too many, as in `delete KEY"),
            ("red: delete red:a;", "there should be create"),
            ("red: transfer red:a too bob", "`too` should be `to`, as in `transfer KEY to PERSON"),
            ("red: transfer red:a to bob", "`bob` names nobody: `bob` is nobody"),
            ("red: transfer red:a", "after `transfer red:a` there should be `to`, as in"),
            ("red: update red:a value", "there should be a value"),
            ("red: update red:a value @/none", "`@/none` cannot be read"),
            ("red: update red:a value x if-version one", "`one` should be a version"),
            ("red: release red:a", "there should be `to`, as in `release KEY to LOG` or"),
            ("red: release red:a to", "there should be a log"),
            ("red: release 5 gold to red", "`to` should be `from`"),
            ("red: pay ten gold from a to b", "`ten` should be an amount"),
            ("red: pay 0 gold from a to b", "`0` should be an amount"),
            ("red: pay +1 gold from a to b", "`+1` should be an amount"),
            ("red: require red:a", "there should be version N, owner PERSON, present or absent"),
            ("red: update red:a value 'x", "the quote before `x` is not closed"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
        let error = read(&format!("red: pay 1 gold of {alice} to {alice}")).unwrap_err();
        assert!(error.contains("`of` should be `from`"), "{error}");
    }
}
