-- What a top-up's configuration tells the wallet (0191_topups.sql): the api writes that column, too.
SELECT changeable('wallets', 'user_id', 'unit');
