//! The stack machine of pickles, cut down to what frames and the data beside them need.
//!
//! A call is never made. The result of the few known names is noted as a [`Value`], and `frame`
//! knows the meaning of the arguments.

use std::vec::Drain;

use super::PickleError as Error;
use super::array::{Order, array, order};
use super::heap::Heap;
use super::literal::{WORD_LIMIT, decimal, index, long};
use super::value::{Bytes, Name, Text, Value};
use crate::wire::text::printable;

/// The most values on the stack and in the memo that are not paid for, and the most marks.
const FREE_VALUES: usize = 1024;

/// The names whose calls make a frame.
const FRAMES: [(&str, &str, Name); 12] = [
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

/// The names whose calls make plain data, by module. Nothing but their arguments is looked at.
const DATA: [(&str, &[&str]); 18] = [
    ("numpy.core.multiarray", &["scalar"]),
    ("numpy._core.multiarray", &["scalar"]),
    ("builtins", PLAIN_TYPES),
    ("__builtin__", PLAIN_TYPES),
    (
        "collections",
        &["OrderedDict", "defaultdict", "deque", "Counter"],
    ),
    // In protocols 0 and 1 an object of a class, with its attributes to follow.
    ("copyreg", &["_reconstructor"]),
    ("copy_reg", &["_reconstructor"]),
    (
        "datetime",
        &["date", "datetime", "time", "timedelta", "timezone"],
    ),
    ("zoneinfo", &["ZoneInfo._unpickle"]),
    ("time", &["struct_time"]),
    ("decimal", &["Decimal"]),
    ("fractions", &["Fraction"]),
    ("uuid", &["UUID", "SafeUUID"]),
    ("ipaddress", &["IPv4Address", "IPv6Address"]),
    ("pathlib", PATHS),
    ("pathlib._local", PATHS),
    ("array", &["_array_reconstructor", "array"]),
    ("types", &["SimpleNamespace"]),
];
const PLAIN_TYPES: &[&str] = &[
    "bool",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
    "unicode",
    "xrange",
];
const PATHS: &[&str] = &[
    "PosixPath",
    "PurePosixPath",
    "PureWindowsPath",
    "WindowsPath",
];

/// Runs one pickle.
pub(super) struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// The highest that the stack was, and may be again without another payment.
    paid: usize,
    /// Heights of the stack at the marks, which are closed later.
    marks: Vec<usize>,
    /// The memo: values by number. The protocols count without gaps.
    memo: Vec<Option<Value<'a>>>,
    pub heap: Heap<'a>,
}

impl<'a> Machine<'a> {
    /// A machine for this pickle.
    pub fn new(pickle: &'a [u8]) -> Self {
        Self {
            rest: pickle,
            stack: Vec::new(),
            paid: FREE_VALUES,
            marks: Vec::new(),
            memo: Vec::new(),
            heap: Heap::new(pickle.len()),
        }
    }

    /// Runs the pickle to its end and returns the value that is left on the stack.
    pub fn run(&mut self) -> Result<Value<'a>, Error> {
        loop {
            if let Some(result) = self.step()? {
                return Ok(result);
            }
        }
    }

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
            b'2' => self.push(*self.top()?)?,
            b'N' => self.push(Value::None)?,
            b'F' => {
                self.line()?;
                self.push(Value::Number)?;
            }
            b'G' => {
                self.take_array::<8>()?;
                self.push(Value::Number)?;
            }
            b'I' | b'L' | b'K' | b'M' | b'J' | 0x88..=0x8b => self.number(opcode)?,
            b'V' | b'X' | 0x8c | 0x8d => self.text(opcode)?,
            b'S' | b'T' | b'U' | b'B' | b'C' | 0x8e | 0x96 => self.bytes(opcode)?,
            b't' | b')' | 0x85..=0x87 => self.tuple(opcode)?,
            b']' | b'l' | b'}' | b'd' | 0x8f | 0x91 => self.group(opcode)?,
            b'a' | b'e' | b's' | b'u' | 0x90 => self.add(opcode)?,
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
                self.name(module.word()?, name.word()?)?;
            }
            b'R' => self.call()?,
            0x81 | 0x92 => self.object(opcode)?,
            b'b' => self.build()?,
            other => return Err(Error::Opcode(other, opcode_name(other))),
        }
        Ok(None)
    }

    fn number(&mut self, opcode: u8) -> Result<(), Error> {
        let int = |number: Option<i64>| number.map_or(Value::Number, Value::Int);
        let value = match opcode {
            b'I' => match self.word()? {
                "00" => Value::Bool(false),
                "01" => Value::Bool(true),
                digits => int(decimal(digits)?),
            },
            b'L' => int(decimal(self.word()?.trim_end_matches('L'))?),
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
                int(long(self.take(length)?))
            }
        };
        self.push(value)
    }

    fn text(&mut self, opcode: u8) -> Result<(), Error> {
        let text = match opcode {
            b'V' => Text::escaped(self.line()?)?,
            _ => {
                let length = match opcode {
                    0x8c => usize::from(u8::from_le_bytes(*self.take_array()?)),
                    b'X' => self.length4()?,
                    _ => self.length8()?,
                };
                Text::utf8(self.take(length)?)
            }
        };
        self.push(Value::Text(text))
    }

    fn bytes(&mut self, opcode: u8) -> Result<(), Error> {
        let bytes = match opcode {
            b'S' => Bytes::quoted(self.line()?)?,
            _ => {
                let length = match opcode {
                    b'U' | b'C' => usize::from(u8::from_le_bytes(*self.take_array()?)),
                    b'T' | b'B' => self.length4()?,
                    _ => self.length8()?,
                };
                Bytes::plain(self.take(length)?)
            }
        };
        self.push(Value::Bytes(bytes))
    }

    fn tuple(&mut self, opcode: u8) -> Result<(), Error> {
        let start = match opcode {
            b')' => self.stack.len(),
            b't' => self.close_mark()?,
            _ => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count);
                let start = start.filter(|start| *start >= self.floor());
                start.ok_or(Error::Misplaced("TUPLE"))?
            }
        };
        let tuple = self.heap.tuple(self.stack.drain(start..))?;
        self.push(tuple)
    }

    /// A list, a dict or a set, empty or with the values above the mark.
    fn group(&mut self, opcode: u8) -> Result<(), Error> {
        let (kind, start) = match opcode {
            b']' => ("list", self.stack.len()),
            b'}' => ("dict", self.stack.len()),
            0x8f => ("set", self.stack.len()),
            b'l' => ("list", self.close_mark()?),
            b'd' => ("dict", self.close_mark()?),
            _ => ("set", self.close_mark()?),
        };
        let group = self.heap.group(kind, self.stack.drain(start..))?;
        self.push(group)
    }

    /// Adds values to the list, dict, set or object below them.
    fn add(&mut self, opcode: u8) -> Result<(), Error> {
        let start = match opcode {
            b'a' => self.stack.len().checked_sub(1),
            b's' => self.stack.len().checked_sub(2),
            _ => Some(self.close_mark()?),
        };
        let floor = self.floor();
        let group = start.and_then(|start| match self.stack.get(..start)?.last() {
            Some(Value::Group(number)) if start > floor => Some((*number, start)),
            _ => None,
        });
        let (number, start) = group.ok_or(Error::Misplaced("APPEND"))?;
        self.heap.add(number, self.stack.drain(start..))
    }

    fn remember(&mut self, opcode: u8) -> Result<(), Error> {
        let number = match opcode {
            0x94 => self.memo.len(),
            b'p' => self.decimal_index()?,
            b'q' => usize::from(u8::from_le_bytes(*self.take_array()?)),
            _ => self.length4()?,
        };
        if self.memo.len() <= number {
            let paid = self.memo.len().max(FREE_VALUES);
            let more = (number + 1).saturating_sub(paid);
            self.heap
                .pay::<Option<Value<'a>>>(more, "things to remember")?;
            self.memo.resize(number + 1, None);
        }
        self.memo[number] = Some(*self.top()?);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), Error> {
        let number = match opcode {
            b'g' => self.decimal_index()?,
            b'h' => usize::from(u8::from_le_bytes(*self.take_array()?)),
            _ => self.length4()?,
        };
        let remembered = self.memo.get(number).copied().flatten();
        self.push(remembered.ok_or(Error::Misplaced("GET"))?)
    }

    fn decimal_index(&mut self) -> Result<usize, Error> {
        // No message is long enough to remember as many things as do not fit.
        let number = decimal(self.word()?)?.ok_or(Error::TooMuch("things to remember"))?;
        index(number)
    }

    fn name(&mut self, module: &'a str, name: &'a str) -> Result<(), Error> {
        let frame = FRAMES.iter().find(|(m, n, _)| *m == module && *n == name);
        let is_data = || {
            DATA.iter()
                .any(|(m, names)| *m == module && names.contains(&name))
        };
        self.push(match frame {
            Some((.., name)) => Value::Name(*name),
            None if is_data() => Value::Name(Name::Data),
            None => Value::Class(module, name),
        })
    }

    fn call(&mut self) -> Result<(), Error> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let Value::Tuple(arguments) = arguments else {
            return Err(Error::Misplaced("REDUCE"));
        };
        let name = match called {
            Value::Name(name) => name,
            Value::Class(module, name) => return Err(calls(module, name)),
            _ => return Err(Error::Misplaced("REDUCE")),
        };
        let heap = &mut self.heap;
        let value = match (name, heap.of_tuple(arguments)) {
            (Name::Data, _) => heap.group("object", [Value::Tuple(arguments)].into_iter())?,
            (Name::Reconstruct, [Value::Name(Name::Ndarray), ..]) => Value::Empty,
            (Name::Dtype, [Value::Text(kind), ..]) => Value::Dtype(kind.word()?),
            (Name::Dtype, [Value::Bytes(kind), ..]) => Value::Dtype(kind.word()?),
            (Name::Bytes | Name::ByteArray, []) => Value::Bytes(Bytes::plain(b"")),
            (Name::Bytes | Name::ByteArray, [bytes @ Value::Bytes(_)]) => *bytes,
            (Name::ByteArray | Name::Encode, [Value::Text(text), ..]) => {
                Value::Bytes(text.to_bytes()?)
            }
            (Name::Ndarray, &[shape, kind, Value::Bytes(data)]) => {
                array(heap, shape, kind, &Order::C, data)?
            }
            (Name::FromBuffer, &[Value::Bytes(data), kind, shape, ref rest @ ..]) => {
                let order = order(heap, rest)?;
                array(heap, shape, kind, &order, data)?
            }
            _ => return Err(Error::Misplaced("the arguments of a call")),
        };
        self.push(value)
    }

    /// An object of a class, with the arguments of its making. Its attributes come by BUILD.
    fn object(&mut self, opcode: u8) -> Result<(), Error> {
        if opcode == 0x92 {
            // Arguments by name, of which no frame is made.
            self.pop()?;
        }
        let (arguments, class) = (self.pop()?, self.pop()?);
        match class {
            Value::Class(..) | Value::Name(Name::Data) => {}
            _ => return Err(Error::Opcode(opcode, opcode_name(opcode))),
        }
        let object = self.heap.group("object", [arguments].into_iter())?;
        self.push(object)
    }

    /// BUILD: the state of an array, a dtype or an object.
    fn build(&mut self) -> Result<(), Error> {
        let state = self.pop()?;
        let value = match (self.pop()?, state) {
            // Byte order and the like, which have no meaning for a type of one byte.
            (Value::Dtype(kind), Value::Tuple(_)) => Value::Dtype(kind),
            (object @ Value::Group(number), state) => {
                self.heap.add(number, [state].into_iter())?;
                object
            }
            (Value::Empty, Value::Tuple(state)) => match *self.heap.of_tuple(state) {
                [_, shape, kind, order, Value::Bytes(data)] => {
                    let order = match order {
                        Value::Bool(false) | Value::Int(0) => Order::C,
                        Value::Bool(true) | Value::Int(1) => Order::Fortran,
                        _ => return Err(Error::Misplaced("the order of an array")),
                    };
                    array(&mut self.heap, shape, kind, &order, data)?
                }
                // An array of objects.
                [.., objects @ Value::Group(_)] => objects,
                _ => return Err(Error::Misplaced("the state of an array")),
            },
            _ => return Err(Error::Misplaced("BUILD")),
        };
        self.push(value)
    }

    fn push(&mut self, value: Value<'a>) -> Result<(), Error> {
        if self.stack.len() >= self.paid {
            self.heap.pay::<Value<'a>>(1, "things on the stack")?;
            self.paid += 1;
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
        if self.marks.len() >= FREE_VALUES {
            return Err(Error::TooMuch("marks"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Closes the last mark, and returns the place of the first value above it.
    fn close_mark(&mut self) -> Result<usize, Error> {
        self.marks.pop().ok_or(Error::Misplaced("a mark"))
    }

    fn pop_mark(&mut self) -> Result<Drain<'_, Value<'a>>, Error> {
        let start = self.close_mark()?;
        Ok(self.stack.drain(start..))
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

fn calls(module: &str, name: &str) -> Error {
    Error::Calls(printable(&format!("{module}.{name}"), WORD_LIMIT))
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
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => "",
    }
}
