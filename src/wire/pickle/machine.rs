//! The stack machine of pickles, cut down to what frames need.
//!
//! A call is never made. The result of the few known names is noted as a [`Value`], and `frame`
//! knows the meaning of the arguments.

use std::borrow::Cow;
use std::rc::Rc;

use super::PickleError as Error;
use super::array::{array, order};
use super::literal::{decimal, index, latin1, long, unescape, unquote};
use super::value::{Name, Order, Value};
use crate::wire::text::printable;

/// The most values on the stack, and in the memo: frames need a few dozen.
const STACK_LIMIT: usize = 1024;
/// The most levels of tuples within tuples.
const DEPTH_LIMIT: u8 = 8;
/// The most bytes of a name, or of a number in decimal digits.
const WORD_LIMIT: usize = 128;

const NAMES: [(&str, &str, Name); 12] = [
    ("numpy.core.multiarray", "_reconstruct", Name::Reconstruct),
    ("numpy._core.multiarray", "_reconstruct", Name::Reconstruct),
    ("numpy.core.numeric", "_frombuffer", Name::FromBuffer),
    ("numpy._core.numeric", "_frombuffer", Name::FromBuffer),
    ("numpy", "ndarray", Name::Ndarray),
    ("numpy", "dtype", Name::Dtype),
    ("_codecs", "encode", Name::Encode),
    ("builtins", "bytes", Name::Bytes),
    ("__builtin__", "bytes", Name::Bytes),
    ("builtins", "bytearray", Name::ByteArray),
    ("__builtin__", "bytearray", Name::ByteArray),
    // Python 3 writes this for its bytes in the protocols that Python 2 knows.
    ("codecs", "encode", Name::Encode),
];

/// Runs a pickle to its end and returns the value that is left on the stack.
pub fn run(pickle: &[u8]) -> Result<Value<'_>, Error> {
    let mut machine = Machine {
        rest: pickle,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    loop {
        if let Some(result) = machine.step()? {
            return Ok(result);
        }
    }
}

struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// Heights of the stack at the marks, which are closed later.
    marks: Vec<usize>,
    /// The memo: values by number. The protocols count without gaps.
    memo: Vec<Option<Value<'a>>>,
}

impl<'a> Machine<'a> {
    /// Runs one instruction. Returns the result after the last one.
    fn step(&mut self) -> Result<Option<Value<'a>>, Error> {
        let [opcode] = *self.take_array()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => drop(self.take_array::<1>()?),
            0x95 => drop(self.take_array::<8>()?),
            b'(' => self.mark()?,
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => self.push(self.top()?.clone())?,
            b'N' => self.push(Value::Nothing)?,
            b'F' => {
                self.line()?;
                self.push(Value::Nothing)?;
            }
            b'G' => {
                self.take_array::<8>()?;
                self.push(Value::Nothing)?;
            }
            b'I' | b'L' | b'K' | b'M' | b'J' | 0x88..=0x8b => self.number(opcode)?,
            b'V' | b'X' | 0x8c | 0x8d => self.text(opcode)?,
            b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => self.bytes(opcode)?,
            b't' | b')' | 0x85..=0x87 => self.tuple(opcode)?,
            b'p' | b'q' | b'r' | 0x94 => self.remember(opcode)?,
            b'g' | b'h' | b'j' => self.recall(opcode)?,
            b'c' => {
                let (module, name) = (self.word()?, self.word()?);
                self.name(module, name)?;
            }
            0x93 => {
                let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                    return Err(Error::Misplaced("STACK_GLOBAL"));
                };
                self.name(&module, &name)?;
            }
            b'R' => self.call()?,
            b'b' => self.build()?,
            other => return Err(Error::Opcode(other, opcode_name(other))),
        }
        Ok(None)
    }

    fn number(&mut self, opcode: u8) -> Result<(), Error> {
        let value = match opcode {
            b'I' => match self.word()? {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                digits => Value::Int(decimal(digits)?),
            },
            b'L' => Value::Int(decimal(self.word()?.trim_end_matches('L'))?),
            b'K' => Value::Int(i64::from(u8::from_le_bytes(*self.take_array()?))),
            b'M' => Value::Int(i64::from(u16::from_le_bytes(*self.take_array()?))),
            b'J' => Value::Int(i64::from(i32::from_le_bytes(*self.take_array()?))),
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            _ => {
                let length = match opcode {
                    0x8a => usize::from(u8::from_le_bytes(*self.take_array()?)),
                    _ => self.length4()?,
                };
                Value::Int(long(self.take(length)?)?)
            }
        };
        self.push(value)
    }

    fn text(&mut self, opcode: u8) -> Result<(), Error> {
        let text = match opcode {
            b'V' => Cow::Owned(unescape(self.line()?)?),
            _ => {
                let length = match opcode {
                    0x8c => usize::from(u8::from_le_bytes(*self.take_array()?)),
                    b'X' => self.length4()?,
                    _ => self.length8()?,
                };
                let bytes = self.take(length)?;
                // Python also writes lone surrogates, which no frame has.
                Cow::Borrowed(str::from_utf8(bytes).map_err(|_| Error::Misplaced("text"))?)
            }
        };
        self.push(Value::Text(Rc::new(text)))
    }

    fn bytes(&mut self, opcode: u8) -> Result<(), Error> {
        let bytes = match opcode {
            b'S' => Cow::Owned(unquote(self.line()?)?),
            _ => {
                let length = match opcode {
                    b'U' | b'C' => usize::from(u8::from_le_bytes(*self.take_array()?)),
                    b'T' | b'B' => self.length4()?,
                    _ => self.length8()?,
                };
                Cow::Borrowed(self.take(length)?)
            }
        };
        self.push(Value::Bytes(Rc::new(bytes)))
    }

    fn tuple(&mut self, opcode: u8) -> Result<(), Error> {
        let items = match opcode {
            b')' => Vec::new(),
            b't' => self.pop_mark()?,
            _ => {
                let count = usize::from(opcode - 0x84);
                let floor = self.floor();
                let at = self
                    .stack
                    .len()
                    .checked_sub(count)
                    .filter(|at| *at >= floor);
                self.stack.split_off(at.ok_or(Error::Misplaced("TUPLE"))?)
            }
        };
        let depth = |item: &Value<'_>| match item {
            Value::Tuple(depth, _) => depth + 1,
            _ => 0,
        };
        let depth = items.iter().map(depth).max().unwrap_or(0);
        if depth > DEPTH_LIMIT {
            return Err(Error::TooMuch("tuples within tuples"));
        }
        self.push(Value::Tuple(depth, items.into()))
    }

    fn remember(&mut self, opcode: u8) -> Result<(), Error> {
        let number = match opcode {
            0x94 => self.memo.len(),
            b'p' => index(decimal(self.word()?)?)?,
            b'q' => usize::from(u8::from_le_bytes(*self.take_array()?)),
            _ => self.length4()?,
        };
        if number >= STACK_LIMIT {
            return Err(Error::TooMuch("things to remember"));
        }
        if self.memo.len() <= number {
            self.memo.resize(number + 1, None);
        }
        self.memo[number] = Some(self.top()?.clone());
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), Error> {
        let number = match opcode {
            b'g' => index(decimal(self.word()?)?)?,
            b'h' => usize::from(u8::from_le_bytes(*self.take_array()?)),
            _ => self.length4()?,
        };
        let remembered = self.memo.get(number).cloned().flatten();
        self.push(remembered.ok_or(Error::Misplaced("GET"))?)
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), Error> {
        let known = NAMES.iter().find(|(m, n, _)| *m == module && *n == name);
        match known {
            Some((.., name)) => self.push(Value::Name(*name)),
            None => {
                let whole = format!("{module}.{name}");
                Err(Error::Calls(printable(&whole, WORD_LIMIT)))
            }
        }
    }

    fn call(&mut self) -> Result<(), Error> {
        let (Value::Tuple(_, arguments), Value::Name(name)) = (self.pop()?, self.pop()?) else {
            return Err(Error::Misplaced("REDUCE"));
        };
        let value = match (name, &*arguments) {
            (Name::Reconstruct, [Value::Name(Name::Ndarray), ..]) => Value::Empty,
            (Name::Dtype, [Value::Text(kind), ..]) => Value::Dtype(Rc::clone(kind)),
            (Name::Dtype, [Value::Bytes(kind), ..]) => {
                let kind = str::from_utf8(kind).map_err(|_| Error::Misplaced("a dtype"))?;
                Value::Dtype(Rc::new(Cow::Owned(kind.to_owned())))
            }
            (Name::Bytes | Name::ByteArray, []) => Value::Bytes(Rc::new(Cow::Borrowed(b""))),
            (Name::Bytes | Name::ByteArray, [Value::Bytes(bytes)]) => {
                Value::Bytes(Rc::clone(bytes))
            }
            (Name::ByteArray | Name::Encode, [Value::Text(text), ..]) => {
                Value::Bytes(Rc::new(Cow::Owned(latin1(text)?)))
            }
            (Name::Ndarray, [shape, kind, Value::Bytes(data)]) => {
                array(shape, kind, &Order::C, data)?
            }
            (Name::FromBuffer, [Value::Bytes(data), kind, shape, rest @ ..]) => {
                array(shape, kind, &order(rest)?, data)?
            }
            _ => return Err(Error::Misplaced("the arguments of a call")),
        };
        self.push(value)
    }

    /// BUILD: the state of an array or a dtype.
    fn build(&mut self) -> Result<(), Error> {
        let state = self.pop()?;
        let value = match (self.pop()?, state) {
            // Byte order and the like, which have no meaning for a type of one byte.
            (Value::Dtype(kind), Value::Tuple(..)) => Value::Dtype(kind),
            (Value::Empty, Value::Tuple(_, state)) => match &*state {
                [_, shape, kind, order, Value::Bytes(data)] => {
                    let order = match order {
                        Value::Bool(false) | Value::Int(0) => Order::C,
                        Value::Bool(true) | Value::Int(1) => Order::Fortran,
                        _ => return Err(Error::Misplaced("the order of an array")),
                    };
                    array(shape, kind, &order, data)?
                }
                _ => return Err(Error::Misplaced("the state of an array")),
            },
            _ => return Err(Error::Misplaced("BUILD")),
        };
        self.push(value)
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Error> {
        if self.stack.len() >= STACK_LIMIT {
            return Err(Error::TooMuch("things on the stack"));
        }
        self.stack.push(value);
        Ok(())
    }

    /// Takes the top value. Nothing is taken from below a mark, as the mark would then be above the
    /// stack.
    fn pop(&mut self) -> Result<Value<'a>, Error> {
        self.top()?;
        self.stack.pop().ok_or(Error::Misplaced("an empty stack"))
    }

    fn top(&self) -> Result<&Value<'a>, Error> {
        match self.stack.last() {
            Some(value) if self.stack.len() > self.floor() => Ok(value),
            _ => Err(Error::Misplaced("an empty stack")),
        }
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn mark(&mut self) -> Result<(), Error> {
        if self.marks.len() >= STACK_LIMIT {
            return Err(Error::TooMuch("marks"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_mark(&mut self) -> Result<Vec<Value<'a>>, Error> {
        let mark = self.marks.pop().ok_or(Error::Misplaced("a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_array<const N: usize>(&mut self) -> Result<&'a [u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn length4(&mut self) -> Result<usize, Error> {
        let length = u32::from_le_bytes(*self.take_array()?);
        usize::try_from(length).map_err(|_| Error::Truncated)
    }

    fn length8(&mut self) -> Result<usize, Error> {
        let length = u64::from_le_bytes(*self.take_array()?);
        usize::try_from(length).map_err(|_| Error::Truncated)
    }

    /// The bytes to the end of the line, which is consumed too.
    fn line(&mut self) -> Result<&'a [u8], Error> {
        let end = self
            .rest
            .iter()
            .position(|b| *b == b'\n')
            .ok_or(Error::Truncated)?;
        let line = self.take(end)?;
        self.take(1)?;
        Ok(line)
    }

    /// A line with a name or a number.
    fn word(&mut self) -> Result<&'a str, Error> {
        let line = self.line()?;
        if line.len() > WORD_LIMIT {
            return Err(Error::TooMuch("characters in a name"));
        }
        str::from_utf8(line).map_err(|_| Error::Misplaced("a name"))
    }
}

/// The name of an instruction that frames do not need, from the description of the format.
fn opcode_name(opcode: u8) -> &'static str {
    match opcode {
        b'P' => "PERSID",
        b'Q' => "BINPERSID",
        b'i' => "INST",
        b'o' => "OBJ",
        0x81 => "NEWOBJ",
        0x92 => "NEWOBJ_EX",
        0x82..=0x84 => "EXT",
        b']' | b'l' => "LIST",
        b'}' | b'd' => "DICT",
        b'a' | b'e' => "APPEND",
        b's' | b'u' => "SETITEM",
        0x8f..=0x91 => "SET",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => "",
    }
}
