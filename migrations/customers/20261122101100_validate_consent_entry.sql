-- In a migration of its own, whose lock lets others read and write.
alter table customers.consent_entry validate constraint consent_entry_address_present_check;
alter table customers.consent_entry validate constraint consent_entry_cleared_check;
