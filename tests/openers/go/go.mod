module customer-vault/opener

go 1.26
