-- Customers who were deleted. Figures may be told after that, from another partition or by a replay: they bring nobody back.
create table campaigns.customer_gone (
    customer_id uuid primary key
);
