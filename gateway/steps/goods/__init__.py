"""What the steps about goods share: levels and dates, plans and the carts that wait, orders and their parcels."""
