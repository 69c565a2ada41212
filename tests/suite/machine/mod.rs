//! Whole machines: a real camera in a virtual machine, the programs of the Python tutorial.

pub mod camera_vm;
pub mod python_family;
pub mod python_tutorial;
