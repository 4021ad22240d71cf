//! The life of a grant. Every change of it is one conditional write of one item, and only what the condition says must
//! hold for it: nobody has to be asked who is allowed to write.
//!
//! | module | holds |
//! |---|---|
//! | `rest` | where tokens are: sealed in the record, or in Secrets Manager |
//! | `schedule` | when the sweep looks at a grant next |
//! | `write` | a change of a grant: as it was read, as it is to be, and what must hold |
//! | [`obtain`], `revoke` | what a vendor is asked besides refreshes |
//! | `publish` | what lists know of a grant |
//! | [`delete`] | from a live instance to nothing |
//! | `times` | times that no right clock can have written are corrected |
//! | [`settings`] | the name, the tags and the configuration change |
//! | [`keep`] | new tokens of a refresh are stored |
//! | [`take`] | the right to ask the vendor for new tokens, once |
//! | [`refresh`] | a live access token, and one refresh however many ask |
//! | `settle` | tokens move to where they rest |
//! | [`consent`] | a new consent takes the place of the old |
//! | `import` | the first refresh of a token that was brought along |
//! | [`create`] | from a code, or a token that was brought along, to a live instance |
//! | `reseal` | what older keys have sealed is sealed again |
//! | [`sweep`] | what is done when nobody calls |
//! | [`reconcile`] | after the table was restored from a backup |

mod rest;

mod schedule;

mod write;

pub mod obtain;

mod revoke;

mod publish;

pub mod delete;

mod times;

pub mod settings;

pub mod keep;

pub mod take;

pub mod refresh;

mod settle;

pub mod consent;

mod import;

pub mod create;

mod reseal;

pub mod sweep;

pub mod reconcile;
