"""Who may connect over tcp, and with which rights: keys, the allow-list, and ZAP."""
