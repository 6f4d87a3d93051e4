"""The gateway's rules without tables: stock, replenishment, cart, approval, payment, order. Pure; now comes in."""
