"""What is wrong with a training: watches, rules, the anomaly detector, and the diagnosis that joins them."""
