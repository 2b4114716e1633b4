//! A command, word by word.

/// Words that end a list.
const STOPS: &[&str] = &["at", "->", "for", "one", "before", "empty"];

/// What is left of a command.
pub struct Words<'a> {
    left: std::collections::VecDeque<&'a str>,
}

impl<'a> Words<'a> {
    pub fn new(command: &'a str) -> Self {
        Words { left: command.split_whitespace().collect() }
    }

    pub fn next(&mut self) -> Result<&'a str, String> {
        self.left.pop_front().ok_or_else(|| "a word is missing".to_owned())
    }

    /// The words up to one that ends a list, or to the end.
    pub fn list(&mut self) -> Result<Vec<&'a str>, String> {
        let mut list = Vec::new();
        while let Some(word) = self.left.front().filter(|word| !STOPS.contains(word)) {
            list.push(*word);
            self.left.pop_front();
        }
        if list.is_empty() { Err("a word is missing".to_owned()) } else { Ok(list) }
    }

    /// Whether these words come next; then they are gone.
    pub fn skip(&mut self, words: &str) -> bool {
        let words: Vec<&str> = words.split(' ').collect();
        let next = self.left.iter().take(words.len()).eq(words.iter());
        if next {
            self.left.drain(..words.len());
        }
        next
    }

    /// These words come next.
    pub fn expect(&mut self, words: &str) -> Result<(), String> {
        if self.skip(words) { Ok(()) } else { Err(format!("`{words}` is missing")) }
    }

    /// A number comes next.
    pub fn number(&mut self) -> Result<u64, String> {
        let word = self.next()?;
        word.parse().map_err(|_| format!("{word} is not a number"))
    }

    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// Nothing is left.
    pub fn end(self) -> Result<(), String> {
        let left: Vec<&str> = self.left.into_iter().collect();
        if left.is_empty() { Ok(()) } else { Err(format!("`{}` is too much", left.join(" "))) }
    }
}
