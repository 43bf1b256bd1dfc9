/* durable FILE: what replacing FILE by a copy of itself costs if the copy is to
   survive a power loss. */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char content[1 << 20];

int main(int argc, char **argv) {
    char name[4096];
    ssize_t length;
    int file, copy, dir;
    if (argc != 2) return 2;
    snprintf(name, sizeof name, "%s.copy", argv[1]);
    file = open(argv[1], O_RDONLY);
    copy = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (file < 0 || copy < 0) return 1;
    while ((length = read(file, content, sizeof content)) > 0)
        if (write(copy, content, length) != length) return 1;
    if (length < 0 || fsync(copy) || rename(name, argv[1])) return 1;
    dir = open(dirname(argv[1]), O_RDONLY | O_DIRECTORY);
    return dir < 0 || fsync(dir);
}
