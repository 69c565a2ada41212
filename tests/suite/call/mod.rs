//! Calls with the real program: who is seen where, who is asked, what is lost and comes back.

mod two_parties;
