// libcrypt, for bcrypt hashes of passwords.
#include <crypt.h>
