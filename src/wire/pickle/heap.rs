//! The memory of one pickle: everything that its values refer to, and the bound on it.
//!
//! Nothing here is freed before the end of the pickle, so no loop of references can leak, and the
//! bound is one number that only grows.

use super::PickleError as Error;
use super::value::{Bytes, Span, Value};

/// Bytes that any pickle may take, however short it is. A list of some thousand values fits.
const FREE_BYTES: usize = 1 << 20;
/// Bytes that a pickle may take for each of its own, beside the message and its decoded frame.
const BYTES_PER_BYTE: usize = 1;

/// The memory of one pickle.
#[derive(Debug)]
pub struct Heap<'a> {
    /// The values of all tuples.
    values: Vec<Value<'a>>,
    groups: Vec<Group<'a>>,
    arrays: Vec<Array<'a>>,
    spent: usize,
    limit: usize,
}

/// Values that belong together. The order of a list and the pairs of a dict have no meaning for a
/// frame.
#[derive(Debug)]
pub struct Group<'a> {
    /// The word for it, such as `list`.
    pub kind: &'static str,
    /// The values that may lead to a frame.
    pub values: Vec<Value<'a>>,
    /// The kinds of the others, which are not kept.
    pub plain: Kinds,
}

/// A set of kinds of plain values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u8);

/// An array of NumPy.
#[derive(Clone, Debug)]
pub struct Array<'a> {
    pub shape: Vec<usize>,
    /// The distance between neighbouring elements, for each index.
    pub strides: Vec<usize>,
    pub dtype: &'a str,
    pub data: Bytes<'a>,
}

impl<'a> Heap<'a> {
    /// The memory of a pickle of `length` bytes.
    pub fn new(length: usize) -> Self {
        Self {
            values: Vec::new(),
            groups: Vec::new(),
            arrays: Vec::new(),
            spent: 0,
            limit: length
                .saturating_mul(BYTES_PER_BYTE)
                .saturating_add(FREE_BYTES),
        }
    }

    /// The bytes that were spent so far.
    #[cfg(test)]
    pub fn spent(&self) -> usize {
        self.spent
    }

    /// Pays for `count` more elements of a vector of `T`.
    ///
    /// # Errors
    /// The pickle has spent all that it may, on things of this name.
    pub fn pay<T>(&mut self, count: usize, name: &'static str) -> Result<(), Error> {
        // A vector that grows takes up to twice its length.
        let price = count.checked_mul(2 * size_of::<T>());
        let spent = price.and_then(|price| self.spent.checked_add(price));
        match spent {
            Some(spent) if spent <= self.limit => {
                self.spent = spent;
                Ok(())
            }
            _ => Err(Error::TooMuch(name)),
        }
    }

    /// Makes a tuple.
    ///
    /// # Errors
    /// As [`Heap::pay`].
    pub fn tuple(
        &mut self,
        values: impl ExactSizeIterator<Item = Value<'a>>,
    ) -> Result<Value<'a>, Error> {
        let span = Span {
            start: self.values.len(),
            length: values.len(),
        };
        self.pay::<Value<'a>>(span.length, "values")?;
        self.values.extend(values);
        Ok(Value::Tuple(span))
    }

    /// Makes a group.
    ///
    /// # Errors
    /// As [`Heap::pay`].
    pub fn group(
        &mut self,
        kind: &'static str,
        values: impl Iterator<Item = Value<'a>>,
    ) -> Result<Value<'a>, Error> {
        self.pay::<Group<'a>>(1, "lists and objects")?;
        let number = self.groups.len();
        self.groups.push(Group {
            kind,
            values: Vec::new(),
            plain: Kinds::default(),
        });
        self.add(number, values)?;
        Ok(Value::Group(number))
    }

    /// Adds to a group.
    ///
    /// # Errors
    /// As [`Heap::pay`].
    pub fn add(
        &mut self,
        group: usize,
        values: impl Iterator<Item = Value<'a>>,
    ) -> Result<(), Error> {
        for value in values {
            match Kinds::plain(&value) {
                Some(kind) => self.groups[group].plain.add(kind),
                None => {
                    self.pay::<Value<'a>>(1, "values")?;
                    self.groups[group].values.push(value);
                }
            }
        }
        Ok(())
    }

    /// Keeps an array.
    ///
    /// # Errors
    /// As [`Heap::pay`].
    pub fn array(&mut self, array: Array<'a>) -> Result<Value<'a>, Error> {
        self.pay::<Array<'a>>(1, "arrays")?;
        self.pay::<usize>(array.shape.len() * 2, "arrays")?;
        self.arrays.push(array);
        Ok(Value::Array(self.arrays.len() - 1))
    }

    /// The values of a tuple.
    pub fn of_tuple(&self, span: Span) -> &[Value<'a>] {
        &self.values[span.start..][..span.length]
    }

    /// The group of this number.
    pub fn of_group(&self, number: usize) -> &Group<'a> {
        &self.groups[number]
    }

    /// Whether there are as many lists of numbers as a frame has rows. Those of a few boxes or points
    /// are fewer.
    pub fn has_rows_of_numbers(&self) -> bool {
        const ROWS: usize = 16;
        let numbers = |group: &&Group<'a>| {
            group.kind == "list" && group.values.is_empty() && group.plain == Kinds::NUMBERS
        };
        self.groups.iter().filter(numbers).nth(ROWS - 1).is_some()
    }

    /// The array of this number.
    pub fn of_array(&self, number: usize) -> &Array<'a> {
        &self.arrays[number]
    }

    /// A walk over all that `root` leads to. Each value is visited once, so a walk ends after as
    /// many steps as the heap has values, whatever refers to what.
    pub fn walk(&self, root: Value<'a>) -> Walk<'_, 'a> {
        Walk {
            heap: self,
            next: vec![root],
            tuples: vec![false; self.values.len()],
            groups: vec![false; self.groups.len()],
            arrays: vec![false; self.arrays.len()],
        }
    }
}

impl Kinds {
    const NUMBERS: Self = Self(2);
    const WORDS: [&'static str; 5] = ["None", "numbers", "text", "bytes", "objects"];

    /// The kind of a value that leads to no frame; `None` for any other.
    pub fn plain(value: &Value<'_>) -> Option<Self> {
        match value {
            Value::None => Some(Self(1)),
            Value::Bool(_) | Value::Int(_) | Value::Number => Some(Self::NUMBERS),
            Value::Text(_) => Some(Self(4)),
            Value::Bytes(bytes) if bytes.media_type().is_none() => Some(Self(8)),
            Value::Name(_) | Value::Class(..) | Value::Dtype(_) | Value::Empty => Some(Self(16)),
            Value::Bytes(_) | Value::Tuple(_) | Value::Group(_) | Value::Array(_) => None,
        }
    }

    /// Adds the kinds of `others`.
    pub fn add(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// The words for them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let words = Self::WORDS.into_iter().enumerate();
        words.filter_map(move |(bit, word)| (self.0 >> bit & 1 == 1).then_some(word))
    }
}

/// A walk over the values of a pickle. It yields those that have no parts.
pub struct Walk<'h, 'a> {
    heap: &'h Heap<'a>,
    next: Vec<Value<'a>>,
    /// Whether the tuple that begins at a place was visited.
    tuples: Vec<bool>,
    groups: Vec<bool>,
    arrays: Vec<bool>,
}

impl<'a> Iterator for Walk<'_, 'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let first = |visited: &mut bool| !std::mem::replace(visited, true);
        loop {
            match self.next.pop()? {
                Value::Tuple(Span { length: 0, .. }) => {}
                Value::Tuple(span) => {
                    if first(&mut self.tuples[span.start]) {
                        let values = self.heap.of_tuple(span).iter().rev();
                        self.next.extend(values);
                    }
                }
                Value::Group(number) => {
                    if first(&mut self.groups[number]) {
                        let group = self.heap.of_group(number);
                        self.next.extend(group.values.iter().rev());
                        return Some(Part::Plain(group.plain));
                    }
                }
                Value::Array(number) => {
                    if first(&mut self.arrays[number]) {
                        return Some(Part::Array(number));
                    }
                }
                Value::Bytes(bytes) if bytes.media_type().is_some() => {
                    return Some(Part::Compressed(bytes));
                }
                value => return Kinds::plain(&value).map(Part::Plain),
            }
        }
    }
}

/// A part of a pickle, as a [`Walk`] finds it.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Values of these kinds.
    Plain(Kinds),
    /// The array of this number.
    Array(usize),
    /// JPEG or PNG.
    Compressed(Bytes<'a>),
}
