--[[ drop_transfers: entries that were applied go. Called by Transfers::drop, at most 500 a call. Joined: keys, transfer.
     ARGV names
     Returns  how many were still there
     Retry-safe: yes. An entry of the same name that came in between says nothing new: the first end of a job has been applied. ]]
call('ZREM', transfers_due, unpack(ARGV))
return call('HDEL', transfers, unpack(ARGV))
